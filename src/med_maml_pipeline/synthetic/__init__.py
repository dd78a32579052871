"""The embedded hospital: latent diseases and what each modality shows of them."""
