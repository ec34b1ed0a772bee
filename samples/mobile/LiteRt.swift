// iOS, Swift: a file of the form "ids" in LiteRT, for an app that has a BERT tokenizer.
//
// Podfile:  pod 'TensorFlowLiteSwift', '~> 2.17'
// The file was written with max_length = 128; its zip archive holds labels.txt.

import Foundation
import TensorFlowLite

final class TokenClassifier {
  private let interpreter: Interpreter
  private let labels: [String]
  private let length = 128

  init(path: String, labels: [String]) throws {
    var options = Interpreter.Options()
    options.threadCount = 2
    interpreter = try Interpreter(modelPath: path, options: options)
    try interpreter.allocateTensors()
    self.labels = labels
  }

  /// `ids`: [CLS] … [SEP], at most `length` of them. Gives each label's score.
  func classify(_ ids: [Int32]) throws -> [String: Float] {
    precondition(ids.count <= length, "Expected at most \(length) ids.")
    let padding = [Int32](repeating: 0, count: length - ids.count)
    let mask = [Int32](repeating: 1, count: ids.count) + padding
    // An input of a BERT's file: 1 for the second text of a pair.
    let types = [Int32](repeating: 0, count: length)
    // Inputs have an order in the file, and names: go by the names.
    for index in 0..<interpreter.inputTensorCount {
      let name = try interpreter.input(at: index).name
      let values = name.contains("attention_mask") ? mask
        : name.contains("token_type_ids") ? types : ids + padding
      try interpreter.copy(values.withUnsafeBytes { Data($0) }, toInputAt: index)
    }
    try interpreter.invoke()
    let output = try interpreter.output(at: 0).data
    let scores = output.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    return Dictionary(uniqueKeysWithValues: zip(labels, scores))
  }
}
