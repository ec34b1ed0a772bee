// Android, Kotlin: a file of the form "mediapipe" in MediaPipe Tasks.
//
// build.gradle:  implementation("com.google.mediapipe:tasks-text:<version>")
// The file goes to src/main/assets/model.tflite.

import android.content.Context
import com.google.mediapipe.tasks.components.processors.ClassifierOptions
import com.google.mediapipe.tasks.core.BaseOptions
import com.google.mediapipe.tasks.text.textclassifier.TextClassifier

class ReviewClassifier(context: Context) : AutoCloseable {
    private val classifier: TextClassifier = TextClassifier.createFromOptions(
        context,
        TextClassifier.TextClassifierOptions.builder()
            .setBaseOptions(BaseOptions.builder().setModelAssetPath("model.tflite").build())
            .setClassifierOptions(ClassifierOptions.builder().setMaxResults(1).build())
            .build(),
    )

    /** The best label and its score. Takes milliseconds: call it off the main thread. */
    fun classify(text: String): Pair<String, Float> {
        val best = classifier.classify(text)
            .classificationResult().classifications().first().categories().first()
        return best.categoryName() to best.score()
    }

    override fun close() = classifier.close()
}
