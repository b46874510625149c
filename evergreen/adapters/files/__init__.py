"""Files on this machine, in a bucket or in an installed package.

CSV, JSON Lines, Parquet, text folders with one folder per class, folders of pictures with masks, and TFRecord.
"""
