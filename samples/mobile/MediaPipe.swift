// iOS, Swift: a file of the form "mediapipe" in MediaPipe Tasks.
//
// Podfile:  pod 'MediaPipeTasksText'
// The file is added to the app's bundle as model.tflite.

import Foundation
import MediaPipeTasksText

struct ReviewClassifier {
  private let classifier: TextClassifier

  init() throws {
    let options = TextClassifierOptions()
    options.baseOptions.modelAssetPath =
      Bundle.main.path(forResource: "model", ofType: "tflite") ?? ""
    options.maxResults = 1
    classifier = try TextClassifier(options: options)
  }

  /// The best label and its score. Takes milliseconds: call it off the main thread.
  func classify(_ text: String) throws -> (label: String, score: Float)? {
    let result = try classifier.classify(text: text)
    guard let best = result.classificationResult.classifications.first?.categories.first
    else { return nil }
    return (best.categoryName ?? "", best.score)
  }
}
