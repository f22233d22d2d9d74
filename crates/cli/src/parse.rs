//! Values as people write them on a command line: sizes, durations, pairs.

use std::{path::PathBuf, str::FromStr};

use berth_types::{
    Timestamp,
    identity::RoleGrant,
    sites::{NodeResourceUpdate, ResourceKind},
};

/// GB of memory or storage: `2GB`, `512MB`, `1.5` (GB). As everywhere in Berth 1 GB is 1024 MB.
pub fn size(text: &str) -> Result<f64, String> {
    let (number, unit) = split_unit(text);
    let factor = match unit.to_ascii_uppercase().as_str() {
        "" | "G" | "GB" | "GIB" => 1.0,
        "K" | "KB" | "KIB" => 1.0 / 1024.0 / 1024.0,
        "M" | "MB" | "MIB" => 1.0 / 1024.0,
        "T" | "TB" | "TIB" => 1024.0,
        _ => return Err(format!("the unit {unit:?} is not one of KB, MB, GB, TB")),
    };
    Ok(positive(number)? * factor)
}

/// A count that may be a fraction: cores, hours.
pub fn amount(text: &str) -> Result<f64, String> {
    positive(text)
}

/// A whole number that is not negative: GPUs, rows.
pub fn count<N: TryFrom<i64>>(text: &str) -> Result<N, String> {
    let number = text.trim().parse().ok().filter(|number: &i64| *number >= 0);
    number
        .and_then(|number| N::try_from(number).ok())
        .ok_or_else(|| format!("{text:?} is not a whole number from 0 up"))
}

fn positive(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err(format!("{text:?} is not a number from 0 up")),
    }
}

fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    (text[..end].trim(), text[end..].trim())
}

/// A century; nothing in Berth lasts longer, and no sum of such spans overflows.
const LONGEST_SPAN: i64 = 100 * 366 * 86_400;

/// A span of time in seconds: `90s`, `30m`, `2h`, `1d`, `1h30m`. Zero needs no unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub i64);

impl Span {
    pub fn seconds(self) -> i64 {
        self.0
    }

    /// Rounded up: a deadline may come late rather than early.
    pub fn minutes(self) -> i64 {
        (self.0 + 59) / 60
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a span of time such as 90s, 30m, 2h, 1h30m or 1d");
        if text == "0" {
            return Ok(Self(0));
        }
        let mut total: i64 = 0;
        let mut number = String::new();
        for c in text.chars() {
            if c.is_ascii_digit() {
                number.push(c);
                continue;
            }
            let seconds = match c {
                's' => 1,
                'm' => 60,
                'h' => 3600,
                'd' => 86_400,
                _ => return Err(wrong()),
            };
            let count: i64 = number.parse().map_err(|_| wrong())?;
            total = count.checked_mul(seconds).and_then(|span| total.checked_add(span)).ok_or_else(wrong)?;
            number.clear();
        }
        // Digits at the end are a number whose unit was forgotten.
        if number.is_empty() && !text.is_empty() && total <= LONGEST_SPAN { Ok(Self(total)) } else { Err(wrong()) }
    }
}

/// A moment in the past: a time in RFC 3339, or how far back from when it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(pub Timestamp);

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(time) = chrono::DateTime::parse_from_rfc3339(text) {
            return Ok(Self(time.to_utc()));
        }
        let wrong =
            |_| format!("{text:?} is neither a time such as 2026-03-01T08:00:00Z nor a span such as 30m, 6h or 7d");
        let back = chrono::Duration::seconds(text.parse::<Span>().map_err(wrong)?.seconds());
        Ok(Self((chrono::Local::now() - back).to_utc()))
    }
}

/// `key=value`; the value may be empty and may hold further equals signs.
pub fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} is not of the form KEY=VALUE")),
    }
}

/// `key=value` to set an entry, `key-` to take it away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    Set(String, String),
    Remove(String),
}

impl FromStr for Entry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_suffix('-') {
            Some(key) if !key.is_empty() && !text.contains('=') => Ok(Self::Remove(key.to_owned())),
            _ => pair(text)
                .map(|(key, value)| Self::Set(key, value))
                .map_err(|_| format!("{text:?} is neither KEY=VALUE nor KEY- (which removes the key)")),
        }
    }
}

impl Entry {
    pub fn apply(entries: &[Self], map: &mut berth_types::StringMap) {
        for entry in entries {
            match entry {
                Self::Set(key, value) => map.insert(key.clone(), value.clone()),
                Self::Remove(key) => map.remove(key),
            };
        }
    }
}

/// A limit that can be lifted: a number, or `unlimited`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit(pub Option<f64>);

impl Limit {
    pub fn count(text: &str) -> Result<Self, String> {
        Self::parse(text, positive)
    }

    pub fn size(text: &str) -> Result<Self, String> {
        Self::parse(text, size)
    }

    fn parse(text: &str, number: fn(&str) -> Result<f64, String>) -> Result<Self, String> {
        if text == "unlimited" {
            return Ok(Self(None));
        }
        number(text).map(|value| Self(Some(value))).map_err(|error| format!("{error}, nor \"unlimited\""))
    }
}

/// `memory=2GB`, `cpu=0.5`, `gpu=1`, `network=100` (Mbit/s) in base units.
pub fn reservation(text: &str) -> Result<NodeResourceUpdate, String> {
    let (kind, value) = pair(text)?;
    let kind: ResourceKind = kind.parse()?;
    let base = match kind {
        ResourceKind::Cpu => berth_types::quantities::cores_to_millicores(positive(&value)?),
        ResourceKind::Gpu => berth_types::quantities::gpus_to_milli(positive(&value)?),
        ResourceKind::Memory | ResourceKind::Storage => berth_types::quantities::gb_to_mib(size(&value)?),
        ResourceKind::Network => value.parse().ok().filter(|mbps| *mbps >= 0),
    };
    let base = base.ok_or_else(|| format!("{value:?} is not an amount of {kind}"))?;
    Ok(NodeResourceUpdate {
        resource_type: kind,
        reservation_capacity: Some(base),
        overcommit_ratio: None,
        max_per_workload: None,
    })
}

/// `cpu=2.0`
pub fn overcommit(text: &str) -> Result<NodeResourceUpdate, String> {
    let (kind, value) = pair(text)?;
    Ok(NodeResourceUpdate {
        resource_type: kind.parse()?,
        reservation_capacity: None,
        overcommit_ratio: Some(positive(&value)?),
        max_per_workload: None,
    })
}

/// `memory=16GB`; 0 takes the bound away.
pub fn max_per_session(text: &str) -> Result<NodeResourceUpdate, String> {
    let parsed = reservation(text)?;
    Ok(NodeResourceUpdate { max_per_workload: parsed.reservation_capacity, reservation_capacity: None, ..parsed })
}

/// `session.read=tenant`
pub fn grant(text: &str) -> Result<RoleGrant, String> {
    let (permission_name, scope) = pair(text)?;
    Ok(RoleGrant { permission_name, scope: scope.parse()? })
}

/// `LOCAL:REMOTE`, or one number for both.
pub fn ports(text: &str) -> Result<(u16, u16), String> {
    let wrong = || format!("{text:?} is not LOCAL:REMOTE, two ports such as 8080:80");
    let (local, remote) = text.split_once(':').unwrap_or((text, text));
    let ports = (local.parse().map_err(|_| wrong())?, remote.parse().map_err(|_| wrong())?);
    if ports.1 == 0 { Err(wrong()) } else { Ok(ports) }
}

/// One end of a copy: here, or in a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Local(PathBuf),
    Session { session: String, path: String },
}

impl FromStr for Place {
    type Err = String;

    /// `name:/path` is in a session. A local path with a colon is written `./a:b`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some((session, path)) if !session.is_empty() && !session.contains('/') => {
                if !path.starts_with('/') {
                    return Err(format!(
                        "the path after {session}: must begin with '/' (write ./{text} for a local file)"
                    ));
                }
                Ok(Self::Session { session: session.to_owned(), path: path.to_owned() })
            }
            _ if text.is_empty() => Err("a path is missing".to_owned()),
            _ => Ok(Self::Local(text.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let time: Moment = "2026-03-01T09:00:00+01:00".parse().unwrap();
        assert_eq!(time.0.to_rfc3339(), "2026-03-01T08:00:00+00:00");
        let (day, hour): (Moment, Moment) = ("1d".parse().unwrap(), "1h".parse().unwrap());
        assert_eq!((hour.0 - day.0).num_hours(), 23);
        assert!("yesterday".parse::<Moment>().unwrap_err().contains("neither"));
    }

    #[test]
    fn sizes() {
        for (text, gb) in
            [("2GB", 2.0), ("512MB", 0.5), ("1.5", 1.5), ("2 GiB", 2.0), ("1T", 1024.0), ("64m", 0.0625), ("0", 0.0)]
        {
            assert_eq!(size(text), Ok(gb), "{text}");
        }
        for text in ["", "GB", "-1GB", "1.5.2GB", "2 potatoes", "NaN", "inf", "1GB2"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn spans() {
        for (text, seconds) in
            [("90s", 90), ("30m", 1800), ("2h", 7200), ("1h30m", 5400), ("1d", 86_400), ("0", 0), ("0m", 0)]
        {
            assert_eq!(text.parse(), Ok(Span(seconds)), "{text}");
        }
        for text in
            ["", "30", "m", "-5m", "1h30", "2w", "1.5h", "99999999999999999999h", "9223372036854775807s", "36601d"]
        {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        assert_eq!(Span(61).minutes(), 2);
        assert_eq!(Span(60).minutes(), 1);
    }

    #[test]
    fn pairs_and_entries() {
        assert_eq!(pair("A=b=c"), Ok(("A".to_owned(), "b=c".to_owned())));
        assert_eq!(pair("A="), Ok(("A".to_owned(), String::new())));
        assert!(pair("A").is_err() && pair("=b").is_err());
        assert_eq!("a-".parse(), Ok(Entry::Remove("a".to_owned())));
        assert_eq!("a=b-".parse(), Ok(Entry::Set("a".to_owned(), "b-".to_owned())));
        assert!("a".parse::<Entry>().is_err() && "-".parse::<Entry>().is_err());
        let mut map =
            berth_types::StringMap::from([("zone".to_owned(), "a".to_owned()), ("disk".to_owned(), "ssd".to_owned())]);
        Entry::apply(&[Entry::Set("zone".to_owned(), "b".to_owned()), Entry::Remove("disk".to_owned())], &mut map);
        assert_eq!(map, berth_types::StringMap::from([("zone".to_owned(), "b".to_owned())]));
    }

    #[test]
    fn node_resources() {
        assert_eq!(reservation("memory=2GB").map(|r| r.reservation_capacity), Ok(Some(2048)));
        assert_eq!(reservation("cpu=0.5").map(|r| r.reservation_capacity), Ok(Some(500)));
        assert_eq!(reservation("network=100").map(|r| r.reservation_capacity), Ok(Some(100)));
        assert_eq!(overcommit("cpu=2.0").map(|r| r.overcommit_ratio), Ok(Some(2.0)));
        let bound = max_per_session("gpu=1").unwrap();
        assert_eq!((bound.max_per_workload, bound.reservation_capacity), (Some(1000), None));
        for text in ["ram=2GB", "memory", "memory=lots", "cpu=-1"] {
            assert!(reservation(text).is_err(), "{text}");
        }
    }

    #[test]
    fn limits() {
        assert_eq!(Limit::count("3"), Ok(Limit(Some(3.0))));
        assert_eq!(Limit::size("512MB"), Ok(Limit(Some(0.5))));
        assert_eq!(Limit::size("unlimited"), Ok(Limit(None)));
        assert!(Limit::count("none").is_err());
    }

    #[test]
    fn port_pairs() {
        assert_eq!(ports("8080:80"), Ok((8080, 80)));
        assert_eq!(ports("80"), Ok((80, 80)));
        assert_eq!(ports("0:80"), Ok((0, 80)));
        for text in ["", "80:0", "0", "a:80", "80:", "70000:80", "1:2:3"] {
            assert!(ports(text).is_err(), "{text}");
        }
    }

    #[test]
    fn places() {
        let inside = |session: &str, path: &str| Place::Session { session: session.to_owned(), path: path.to_owned() };
        assert_eq!("web:/etc/hosts".parse(), Ok(inside("web", "/etc/hosts")));
        assert_eq!("./a:b".parse(), Ok(Place::Local("./a:b".into())));
        assert_eq!("/a".parse(), Ok(Place::Local("/a".into())));
        assert!("web:etc".parse::<Place>().is_err());
        assert!("".parse::<Place>().is_err());
    }
}
