"""Oxford-IIIT Pet out of its published archives, as a source of kind `oxford_pets`."""
