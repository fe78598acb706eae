//! What is read, and what is not.
