// Android, Kotlin: a file of the form "ids" in LiteRT, for an app that has a BERT tokenizer.
//
// build.gradle:  implementation("com.google.ai.edge.litert:litert:2.1.0")
// The file was written with max_length = 128; its zip archive holds labels.txt.

import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel

class TokenClassifier(
    path: String,
    private val labels: List<String>,
    private val length: Int = 128,
    // Of a BERT: listOf("input_ids", "attention_mask", "token_type_ids")
    names: List<String> = listOf("input_ids", "attention_mask"),
) : AutoCloseable {
    private val model = CompiledModel.create(
        path,
        CompiledModel.Options(Accelerator.CPU).apply {
            cpuOptions = CompiledModel.CpuOptions(numThreads = 2)
        },
    )
    private val inputs = names.associateWith { model.createInputBuffer(it) }
    private val outputs = mapOf("scores" to model.createOutputBuffer("scores"))

    /** `ids`: [CLS] … [SEP], at most `length` of them. Gives each label's score. */
    fun classify(ids: IntArray): Map<String, Float> {
        require(ids.size <= length) { "Expected at most $length ids. Received ${ids.size}." }
        inputs.getValue("input_ids").writeInt(ids.copyOf(length))
        inputs.getValue("attention_mask").writeInt(IntArray(length) { if (it < ids.size) 1 else 0 })
        inputs["token_type_ids"]?.writeInt(IntArray(length)) // 1 for the second text of a pair
        model.run(inputs, outputs)
        return labels.zip(outputs.getValue("scores").readFloat().toList()).toMap()
    }

    override fun close() {
        (inputs.values + outputs.values).forEach { it.close() }
        model.close()
    }
}
