"""A class for every pixel of a picture: U-Net on MobileNetV2, DeepLabV3+ or SegFormer."""
