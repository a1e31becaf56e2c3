//! The three requests to the kernel's routing socket that bring a network up (rtnetlink(7)).
//!
//! A request is a header, a fixed part and attributes, all in native byte order and aligned to four bytes.

use std::net::Ipv4Addr;

use nix::errno::Errno;
use nix::libc;

const HEADER_BYTES: usize = 16;
/// Of `struct nlmsgerr`: the header and the error.
const ACK_BYTES: usize = HEADER_BYTES + 4;

/// A request, without its length and header.
pub(crate) struct Request {
    kind: u16,
    flags: i32,
    body: Vec<u8>,
}

impl Request {
    /// Sets a device up.
    pub(crate) fn link_up(index: u32) -> Self {
        // struct ifinfomsg: family, padding, type, index, flags, mask of the flags to change.
        let mut body = vec![0; 4];
        body.extend(index.to_ne_bytes());
        body.extend(libc::IFF_UP.to_ne_bytes());
        body.extend(libc::IFF_UP.to_ne_bytes());
        Self {
            kind: libc::RTM_NEWLINK,
            flags: 0,
            body,
        }
    }

    /// Gives a device an address; the kernel adds the route to its subnet.
    pub(crate) fn address(index: u32, address: Ipv4Addr, prefix: u8) -> Self {
        // struct ifaddrmsg: family, prefix length, flags, scope, index.
        let mut body = vec![INET, prefix, 0, 0];
        body.extend(index.to_ne_bytes());
        attribute(&mut body, libc::IFA_LOCAL, &address.octets());
        attribute(&mut body, libc::IFA_ADDRESS, &address.octets());
        Self {
            kind: libc::RTM_NEWADDR,
            flags: libc::NLM_F_CREATE | libc::NLM_F_EXCL,
            body,
        }
    }

    /// Sends everything else to a gateway.
    pub(crate) fn default_route(index: u32, gateway: Ipv4Addr) -> Self {
        // struct rtmsg: family, two prefix lengths, tos, table, protocol, scope, type, flags.
        let mut body = vec![
            INET,
            0,
            0,
            0,
            libc::RT_TABLE_MAIN,
            libc::RTPROT_BOOT,
            libc::RT_SCOPE_UNIVERSE,
            libc::RTN_UNICAST,
        ];
        body.extend(0_u32.to_ne_bytes());
        attribute(&mut body, libc::RTA_GATEWAY, &gateway.octets());
        attribute(&mut body, libc::RTA_OIF, &index.to_ne_bytes());
        Self {
            kind: libc::RTM_NEWROUTE,
            flags: libc::NLM_F_CREATE | libc::NLM_F_EXCL,
            body,
        }
    }

    /// The request as the kernel wants it, asking for an acknowledgement.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let flags = libc::NLM_F_REQUEST | libc::NLM_F_ACK | self.flags;
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.body.len());
        bytes.extend(length(HEADER_BYTES + self.body.len()).to_ne_bytes());
        bytes.extend(self.kind.to_ne_bytes());
        bytes.extend(
            u16::try_from(flags)
                .expect("all flags lie in the low half")
                .to_ne_bytes(),
        );
        // Sequence number and port: one request is under way at a time, and the kernel fills in the port.
        bytes.extend([0; 8]);
        bytes.extend(&self.body);
        bytes
    }
}

const INET: u8 = libc::AF_INET as u8;

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a request is some dozen bytes")
}

fn attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let bytes = u16::try_from(4 + value.len()).expect("an attribute is some bytes");
    body.extend(bytes.to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

/// Reads the kernel's answer. `None` if it is not an acknowledgement.
pub(crate) fn acknowledged(answer: &[u8]) -> Option<Result<(), Errno>> {
    let field = |at: usize| {
        answer
            .get(at..at + 4)
            .and_then(|b| b.try_into().ok())
            .map(i32::from_ne_bytes)
    };
    let kind = answer
        .get(4..6)
        .and_then(|b| b.try_into().ok())
        .map(u16::from_ne_bytes)?;
    if answer.len() < ACK_BYTES || i32::from(kind) != libc::NLMSG_ERROR {
        return None;
    }
    match field(HEADER_BYTES)? {
        0 => Some(Ok(())),
        error => Some(Err(Errno::from_raw(error.wrapping_neg()))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_request_is_what_the_kernel_documents() {
        let bytes = Request::address(2, Ipv4Addr::new(10, 0, 2, 15), 24).bytes();
        #[rustfmt::skip]
        let expected = [
            40, 0, 0, 0,  20, 0,  0x05, 0x06,  0, 0, 0, 0,  0, 0, 0, 0, // header: length, RTM_NEWADDR, flags
            2, 24, 0, 0,  2, 0, 0, 0,                                   // AF_INET, /24, device 2
            8, 0,  2, 0,  10, 0, 2, 15,                                 // IFA_LOCAL
            8, 0,  1, 0,  10, 0, 2, 15,                                 // IFA_ADDRESS
        ];
        assert_eq!(bytes, expected);
    }

    #[test]
    fn the_length_covers_the_whole_request() {
        for request in [
            Request::link_up(1),
            Request::default_route(2, Ipv4Addr::new(10, 0, 2, 2)),
        ] {
            let bytes = request.bytes();
            assert_eq!(
                u32::from_ne_bytes(bytes[..4].try_into().unwrap()) as usize,
                bytes.len()
            );
            assert_eq!(bytes.len() % 4, 0);
        }
    }

    #[test]
    fn an_answer_is_an_error_number() {
        let answer = |error: i32| {
            let mut bytes = vec![36, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            bytes.extend(error.to_ne_bytes());
            bytes
        };
        assert_eq!(acknowledged(&answer(0)), Some(Ok(())));
        assert_eq!(acknowledged(&answer(-17)), Some(Err(Errno::EEXIST)));
        assert_eq!(acknowledged(&answer(0)[..18]), None);
    }

    proptest! {
        #[test]
        fn any_answer_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = acknowledged(&bytes);
        }
    }
}
