//! Throwaway clusters for the tests.
