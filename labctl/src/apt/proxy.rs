//! Which proxy leads to an address, as the usual environment variables say it. Pure.
//!
//! A proxy is asked for a tunnel (`CONNECT`, RFC 9110 §9.3.6) to `http:` addresses, too, because that is what the HTTP
//! library does. One that allows tunnels to port 443 only needs a mirror with an `https:` address.

/// What the user's environment says about proxies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For `http:` addresses: `http://host:port`.
    pub http: Option<String>,
    /// For `https:` addresses.
    pub https: Option<String>,
    /// Hosts that are reached without one, separated by commas: names, each with all below it, or `*`.
    pub exempt: String,
}

impl Proxies {
    /// The proxy for `url`; `None` when it is reached directly.
    pub fn for_url(&self, url: &str) -> Option<&str> {
        let (scheme, rest) = url.split_once("://")?;
        let proxy = match scheme {
            "http" => self.http.as_deref(),
            "https" => self.https.as_deref(),
            _ => None,
        };
        let proxy = proxy.filter(|proxy| !proxy.is_empty())?;
        (!self.exempts(host(rest))).then_some(proxy)
    }

    fn exempts(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        self.exempt.split(',').map(str::trim).any(|rule| {
            let rule = rule.to_ascii_lowercase();
            let name = rule.trim_start_matches('*').trim_start_matches('.');
            match name {
                "" => rule == "*",
                name => {
                    host == name
                        || host
                            .strip_suffix(name)
                            .is_some_and(|before| before.ends_with('.'))
                }
            }
        })
    }
}

/// The host of `user@host:port/path`; an IPv6 address keeps no brackets.
fn host(rest: &str) -> &str {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    match host.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scheme_has_its_own_and_some_hosts_need_none() {
        let proxies = Proxies {
            http: Some("http://p:3128".to_owned()),
            https: Some(String::new()),
            exempt: "localhost, 127.0.0.1,::1 ,.corp.example,*.lab".to_owned(),
        };
        for (url, proxied) in [
            ("http://mirror.example/debian", true),
            ("https://mirror.example/debian", false),
            ("file:///srv/debian", false),
            ("http://LOCALHOST:8080/debian", false),
            ("http://127.0.0.1:1/debian", false),
            ("http://[::1]:80/debian", false),
            ("http://user:word@deb.corp.example/debian", false),
            ("http://corp.example/debian", false),
            ("http://notcorp.example/debian", true),
            ("http://a.lab/", false),
        ] {
            assert_eq!(proxies.for_url(url).is_some(), proxied, "{url}");
        }
        let all = Proxies {
            exempt: "*".to_owned(),
            ..proxies
        };
        assert_eq!(all.for_url("http://mirror.example/"), None);
    }
}
