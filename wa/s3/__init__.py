"""S3-compatible storage: Backblaze B2, Garage and others, through boto3."""
