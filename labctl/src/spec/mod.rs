//! The course as data: files in, checked types out. Nothing here touches the disk.
