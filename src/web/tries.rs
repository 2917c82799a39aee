//! How often somebody may try to sign in. What is remembered is bounded: no more tries than are allowed in all.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::ConnectInfo;
use axum::http::request::Parts;

const WINDOW: Duration = Duration::from_secs(60);

pub(super) struct Tries {
    by_one: usize,
    in_all: usize,
    /// Those of the last minute, the oldest first.
    made: Mutex<VecDeque<(Instant, IpAddr)>>,
}

/// Too many were made; whole seconds until one is allowed again, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMany(pub u64);

impl Tries {
    /// So many in a minute by one address, and so many in all, as someone may have many addresses.
    pub fn new(by_one: usize, in_all: usize) -> Self {
        Self { by_one, in_all, made: Mutex::default() }
    }

    /// Counts a try. One that is refused is not counted.
    pub fn make(&self, address: IpAddr) -> Result<(), TooMany> {
        self.make_at(address, Instant::now())
    }

    fn make_at(&self, address: IpAddr, now: Instant) -> Result<(), TooMany> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        while made.front().is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW) {
            made.pop_front();
        }
        let own = made.iter().filter(|(_, by)| *by == address);
        let first = if own.clone().count() >= self.by_one {
            own.map(|(at, _)| *at).next()
        } else if made.len() >= self.in_all {
            made.front().map(|(at, _)| *at)
        } else {
            None
        };
        if let Some(first) = first {
            let left = WINDOW.saturating_sub(now.duration_since(first));
            return Err(TooMany(left.as_secs() + 1));
        }
        made.push_back((now, address));
        Ok(())
    }
}

/// Who tries: the address that the nearest proxy names, or else the other end of the connection. Someone may forge the
/// former where there is no proxy; the tries in all are counted for that too.
pub(super) fn address(parts: &Parts) -> IpAddr {
    let forwarded = parts.headers.get_all("x-forwarded-for").iter().next_back();
    let named = forwarded
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.rsplit(',').next())
        .and_then(|address| address.trim().parse().ok());
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    network(named.or(peer).unwrap_or(Ipv6Addr::UNSPECIFIED.into()))
}

/// One customer has at least 2^64 addresses of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: &str) -> IpAddr {
        network(address.parse().unwrap())
    }

    #[test]
    fn one_address_may_try_a_few_times_a_minute() {
        let (tries, start) = (Tries::new(5, 30), Instant::now());
        let try_at = |seconds| tries.make_at(of("192.0.2.1"), start + Duration::from_secs(seconds));
        for second in 0..5 {
            assert_eq!(try_at(second), Ok(()));
        }
        assert_eq!(try_at(5), Err(TooMany(56)));
        assert_eq!(tries.make_at(of("192.0.2.2"), start + Duration::from_secs(5)), Ok(()));
        assert_eq!(try_at(60), Ok(()));
        assert_eq!(try_at(60), Err(TooMany(2)));
    }

    #[test]
    fn many_addresses_together_may_try_so_often_and_no_more_is_remembered() {
        let (tries, now) = (Tries::new(5, 30), Instant::now());
        let made = (0..1000_u32).filter(|&at| tries.make_at(IpAddr::V4(at.into()), now).is_ok()).count();
        assert_eq!((made, tries.made.lock().unwrap().len()), (30, 30));
        assert_eq!(tries.make_at(of("192.0.2.1"), now + WINDOW), Ok(()));
    }

    #[test]
    fn addresses_of_one_customer_are_one() {
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }

    #[test]
    fn the_nearest_proxy_says_who_it_is() {
        let asked = |forwarded: &[&str]| {
            let request = forwarded.iter().fold(axum::http::Request::builder(), |request, value| {
                request.header("x-forwarded-for", *value)
            });
            address(&request.body(()).unwrap().into_parts().0)
        };
        assert_eq!(asked(&["1.1.1.1, 192.0.2.7"]), of("192.0.2.7"));
        assert_eq!(asked(&["1.1.1.1", "192.0.2.7"]), of("192.0.2.7"));
        assert_eq!(asked(&["unknown"]), of("::"));
        assert_eq!(asked(&[]), of("::"));
    }
}
