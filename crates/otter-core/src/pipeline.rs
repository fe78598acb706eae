//! placeholder while the stages compile
