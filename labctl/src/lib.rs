//! labctl.
