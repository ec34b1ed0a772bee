// Android, Kotlin: a file of the form "ids" in LiteRT, for an app that has a BERT tokenizer.
//
// build.gradle:  implementation("com.google.ai.edge.litert:litert:1.4.0")  // org.tensorflow.lite
// The file was written with max_length = 128; its zip archive holds vocab.txt and labels.txt.

import java.io.File
import org.tensorflow.lite.Interpreter

class TokenClassifier(file: File, private val labels: List<String>, private val length: Int = 128) :
    AutoCloseable {
    private val interpreter = Interpreter(file, Interpreter.Options().setNumThreads(2))

    /** `ids`: [CLS] … [SEP], at most `length` of them. Gives each label's score. */
    fun classify(ids: IntArray): Map<String, Float> {
        require(ids.size <= length) { "Expected at most $length ids. Received ${ids.size}." }
        val mask = IntArray(length) { if (it < ids.size) 1 else 0 }
        val scores = Array(1) { FloatArray(labels.size) }
        interpreter.runSignature(
            mapOf("input_ids" to arrayOf(ids.copyOf(length)), "attention_mask" to arrayOf(mask)),
            mapOf("scores" to scores),
        )
        return labels.zip(scores[0].toList()).toMap()
    }

    override fun close() = interpreter.close()
}
