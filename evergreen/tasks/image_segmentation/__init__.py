"""A class for every pixel of a picture: a U-Net or a plain head on MobileNetV2, or SegFormer."""
