//! One integration binary: tests of the tree, of the command line, and of labctl against its fakes.

mod tidy;
