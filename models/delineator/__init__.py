"""Training of the U-Net that delineates beats and waves in `ecgstore.beats.unet`."""
