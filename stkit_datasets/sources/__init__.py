"""Sources: one file each, official files in, clips out."""
