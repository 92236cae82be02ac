//! The front door: AWS wire protocols and our REST API.
