"""The HTTP service: answers from the champion's bundle, and follows the champion without dropping a request."""
