"""Make the bucket that MLflow's artifacts go to, where it is not there yet. Argument: its name.

Address and keys are boto3's own: AWS_ENDPOINT_URL_S3, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY.
"""

import sys


def main() -> None:
    """Fail where the object store does not answer, or refuses the keys."""
    import boto3

    store = boto3.client("s3")
    name = sys.argv[1]
    if name not in {bucket["Name"] for bucket in store.list_buckets()["Buckets"]}:
        store.create_bucket(Bucket=name)


if __name__ == "__main__":
    main()
