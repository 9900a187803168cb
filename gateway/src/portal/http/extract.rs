//! Extractors: what a page's handler may rely on once it is called. A request that lacks it is answered here: sign in first, or the
//! form is not one of this visitor's.

use std::fmt;
use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::error::InternalError;
use actix_web::{Error, FromRequest, HttpRequest, HttpResponse, web};
use actors::sms::ProvenPhone;
use registry::Phone;
use serde::de::value::{MapAccessDeserializer, MapDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Error as _, IntoDeserializer, MapAccess, Visitor as Reader,
};
use serde::{Deserialize, Deserializer};

use super::visitor::Visitor;

/// The answer of a handler; the error is an answer as well, given before the handler's end.
pub(crate) type Answer = Result<HttpResponse, Error>;

/// Makes an answer an error, so that `?` gives it.
pub(crate) fn early(answer: HttpResponse) -> Error {
    InternalError::from_response("answered early", answer).into()
}

/// A requirement on the visitor of a page.
pub(crate) trait Role: Sized + 'static {
    /// Takes a visitor who meets it; the error is the answer to any other.
    fn of(visitor: Visitor) -> Result<Self, Error>;
}

/// A visitor who has proven a phone; any other is sent to sign in, and then back.
pub(crate) struct SignedIn {
    visitor: Visitor,
    pub(crate) proven: ProvenPhone,
    pub(crate) phone: Phone,
}

impl SignedIn {
    /// Takes a visitor who is signed in; any other comes back to `path` after the sign-in.
    pub(crate) fn or_first(visitor: Visitor, path: &str) -> Result<Self, Error> {
        match (visitor.proven().cloned(), visitor.session.phone.clone()) {
            (Some(proven), Some(phone)) => Ok(Self { visitor, proven, phone }),
            (None, _) | (_, None) => Err(visitor.sign_in_first(path)),
        }
    }
}

impl Role for SignedIn {
    fn of(visitor: Visitor) -> Result<Self, Error> {
        let path = visitor.way_back.clone();
        Self::or_first(visitor, &path)
    }
}

impl Role for Visitor {
    fn of(visitor: Visitor) -> Result<Self, Error> {
        Ok(visitor)
    }
}

impl Deref for SignedIn {
    type Target = Visitor;

    fn deref(&self) -> &Visitor {
        &self.visitor
    }
}

impl DerefMut for SignedIn {
    fn deref_mut(&mut self) -> &mut Visitor {
        &mut self.visitor
    }
}

impl FromRequest for SignedIn {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Visitor::open(request).and_then(Self::of))
    }
}

/// Takes a visitor in that role who sent a form with that token; the error is the answer if it is not one of their session's.
pub(crate) fn own<R: Role>(visitor: Visitor, token: &str) -> Result<R, Error> {
    if !visitor.sent(token) {
        return Err(visitor.stale());
    }
    R::of(visitor)
}

/// A form as it is posted: the fields that only our own pages can fill in, and the others.
struct Posted<T> {
    token: String,
    which: String,
    fields: T,
}

/// A form that one of our pages gave to this visitor, read within the bounds of size and of each phone's forms.
pub(crate) struct OwnForm<T, R = Visitor> {
    pub(crate) sender: R,
    /// The mark of the visitor's code that the form is about; empty in a form that is about none.
    pub(crate) which: String,
    pub(crate) fields: T,
}

impl<T: DeserializeOwned + 'static, R: Role> FromRequest for OwnForm<T, R> {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let visitor = match Visitor::open(request) {
            Ok(visitor) => visitor,
            Err(refused) => return Box::pin(ready(Err(refused))),
        };
        let posted = web::Form::<Posted<T>>::from_request(request, payload);
        Box::pin(async move {
            let Posted { token, which, fields } = posted.await?.into_inner();
            Ok(Self { sender: own(visitor, &token)?, which, fields })
        })
    }
}

/// The fields of a form that has none but the hidden ones.
#[derive(Deserialize)]
pub(crate) struct NoFields {}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Posted<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PostedReader(PhantomData))
    }
}

/// Reads the hidden fields apart from the others.
struct PostedReader<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Reader<'de> for PostedReader<T> {
    type Value = Posted<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the fields of a form")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Posted<T>, A::Error> {
        let (mut token, mut which) = (None, None);
        let others = Others { map, hidden: [("token", &mut token), ("which", &mut which)] };
        let fields = T::deserialize(MapAccessDeserializer::new(others))?;
        if token.is_none() {
            // A form of which every field may be missing is read without its token as well, and is none of the visitor's.
            let nothing = MapDeserializer::<_, A::Error>::new(std::iter::empty::<(&str, &str)>());
            T::deserialize(nothing).map_err(|_| A::Error::missing_field("token"))?;
        }
        Ok(Posted { token: token.unwrap_or_default(), which: which.unwrap_or_default(), fields })
    }
}

/// The fields beside the hidden ones, which are taken out on the way.
struct Others<'a, A> {
    map: A,
    hidden: [(&'static str, &'a mut Option<String>); 2],
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Others<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(key) = self.map.next_key::<String>()? {
            let Some(&mut (name, ref mut hidden)) = self.hidden.iter_mut().find(|(name, _)| *name == key)
            else {
                return seed.deserialize(key.into_deserializer()).map(Some);
            };
            if hidden.replace(self.map.next_value()?).is_some() {
                return Err(A::Error::duplicate_field(name));
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}
