"""The probabilities of one text from a fresh process: what start-up costs a script.

python -m benchmarks.peers.once MODULE FOLDER OPTIONS TEXT
"""

import importlib
import json
import sys

module, folder, options, text = sys.argv[1:]
peer = importlib.import_module(f"benchmarks.peers.{module}").Peer(folder, **json.loads(options))
print(peer.scores([text])[0])
