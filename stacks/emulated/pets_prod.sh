# Pictures: TFRecord shards in the bucket → Beam → a U-Net → its endpoint → the Hugging Face Hub. Simple pictures stand
# for photos, and an encoder without training for one from the Hub, where the box has none.
python -m tests.e2e.pets "$EVERGREEN_PETS/raw" 320
python run.py prepare --config pets_prod.yaml --runner dataflow --dry-run > "$EVERGREEN_BOX/dataflow.json"
python run.py prepare --config pets_prod.yaml --runner local # the box has no Dataflow; the same pipeline on this machine
python run.py --config pets_prod.yaml
picture=$EVERGREEN_BOX/picture.png
python -m tests.e2e.pets "$picture"
python run.py predict --config pets_prod.yaml "$picture"
