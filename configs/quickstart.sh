#!/usr/bin/env bash
# The main job from end to end on handwritten digits, offline. `make quickstart` runs it with tlk on the path.
set -euo pipefail
cd "$(dirname "$0")/.."
step() { printf '\n\033[1m$ %s\033[0m\n' "$*"; "$@"; }

run=saved_models/quickstart
step tlk fit --config configs/quickstart.yaml --name quickstart --overwrite
step tlk unfreeze-and-finetune $run
step tlk export $run --format tflite
digit=$(awk -F, '$5 == 1 { print $1; exit }' $run/predictions.csv)
step tlk predict $run/exports/model.tflite "$digit" --top 3

cat <<'END'

Made: saved_models/quickstart (the trained model, its metrics and predictions) and a TFLite file in its exports/.
The backbone had random weights here, so this shows the tool at work, not what transfer learning can do.

Next, on your own photos (one folder per class; the first run fetches ImageNet weights):
  tlk fit photos/ --backbone MobileNetV2
  tlk unfreeze-and-finetune saved_models/photos-mobilenetv2
  tlk export saved_models/photos-mobilenetv2 --format tflite --quantize int8
END
