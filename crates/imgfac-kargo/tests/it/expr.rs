//! An interpreter of the part of expr-lang that our expressions are written in.
//!
//! Kargo evaluates with github.com/expr-lang/expr 1.17.8. The crate `expr-lang` cannot stand in for
//! it: its maps hold constants alone, and `.field` is no short form of `#.field` there. So here are
//! the grammar of <https://expr-lang.org/docs/language-definition> and the precedences of that
//! package's `parser/operator/operator.go`; what we do not use is an error, so that a new
//! expression cannot pass for one that was tried.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Number, Value as Json};

/// A value of the language.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// All that JSON has.
    Json(Json),
    /// A point in time.
    Time(Timestamp),
    /// A length of time.
    Duration(SignedDuration),
    /// An empty list that Go takes for a list and its JSON for null: what `concat` makes of empty
    /// ones.
    NilList,
}

impl Value {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Json(Json::String(text.into()))
    }

    /// As Go's `encoding/json` writes it.
    pub(crate) fn to_json(&self) -> Json {
        match self {
            Self::Json(value) => value.clone(),
            Self::NilList => Json::Null,
            Self::Time(time) => Json::String(time.to_string()),
            Self::Duration(it) => Json::Number(Number::from(it.as_nanos() as i64)),
        }
    }
}

impl From<Json> for Value {
    fn from(value: Json) -> Self {
        Self::Json(value)
    }
}

/// A function that is not one of the language.
pub(crate) type Function<'f> = Box<dyn Fn(&[Value]) -> Result<Value, String> + 'f>;

/// What an expression sees.
#[derive(Default)]
pub(crate) struct Environment<'f> {
    pub(crate) variables: BTreeMap<String, Json>,
    pub(crate) functions: BTreeMap<&'static str, Function<'f>>,
}

impl Environment<'_> {
    /// Evaluates an expression.
    pub(crate) fn evaluate(&self, text: &str) -> Result<Value, String> {
        let tokens = tokens(text)?;
        let mut parser = Parser { tokens, at: 0 };
        let node = parser.block()?;
        if parser.at < parser.tokens.len() {
            return Err(format!("{:?} is left over", parser.tokens[parser.at]));
        }
        self.node(&node, &Scope::default())
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Text(String),
    Number(i64),
    Word(String),
    Sign(&'static str),
}

const SIGNS: [&str; 29] = [
    "==", "!=", "<=", ">=", "&&", "||", "??", "?.", "(", ")", "[", "]", "{", "}", ",", ":", ";",
    "?", ".", "<", ">", "=", "+", "-", "*", "/", "!", "|", "%",
];

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            let mut out = String::new();
            let mut chars = rest[1..].char_indices();
            let end = loop {
                match chars.next().ok_or("a text does not end")? {
                    (at, '"') => break at + 2,
                    (_, '\\') => match chars.next().ok_or("a text does not end")?.1 {
                        'n' => out.push('\n'),
                        c @ ('"' | '\\') => out.push(c),
                        'u' => {
                            let digits: String = chars.by_ref().take(4).map(|(_, c)| c).collect();
                            let code =
                                u32::from_str_radix(&digits, 16).map_err(|it| it.to_string())?;
                            out.push(char::from_u32(code).ok_or("no character")?);
                        }
                        c => return Err(format!("the escape \\{c} is not known here")),
                    },
                    (_, c) => out.push(c),
                }
            };
            tokens.push(Token::Text(out));
            rest = &rest[end..];
        } else if first.is_ascii_digit() {
            let end = rest
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(rest.len());
            tokens.push(Token::Number(rest[..end].parse().map_err(|_| "too large")?));
            rest = &rest[end..];
        } else if first.is_ascii_alphabetic() || first == '#' || first == '_' {
            let end = rest[1..]
                .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                .map_or(rest.len(), |end| end + 1);
            tokens.push(Token::Word(rest[..end].to_owned()));
            rest = &rest[end..];
        } else {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
            let sign = sign.ok_or_else(|| format!("{first:?} is not known here"))?;
            tokens.push(Token::Sign(sign));
            rest = &rest[sign.len()..];
        }
        rest = rest.trim_start();
    }
    Ok(tokens)
}

#[derive(Clone, Debug)]
enum Node {
    Constant(Json),
    Name(String),
    Field {
        of: Box<Node>,
        name: String,
        safe: bool,
    },
    Index(Box<Node>, Box<Node>),
    Slice(Box<Node>, Option<Box<Node>>, Option<Box<Node>>),
    Call(String, Vec<Node>),
    Array(Vec<Node>),
    Map(Vec<(String, Node)>),
    Not(Box<Node>),
    Minus(Box<Node>),
    Both(String, Box<Node>, Box<Node>),
    Choice(Box<Node>, Box<Node>, Box<Node>),
    Let(String, Box<Node>, Box<Node>),
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

/// The functions whose last argument is evaluated for each element.
const PREDICATES: [&str; 5] = ["map", "filter", "any", "find", "reduce"];

impl Parser {
    fn peek(&self, sign: &str) -> bool {
        self.tokens.get(self.at)
            == Some(&Token::Sign(
                SIGNS
                    .iter()
                    .find(|it| **it == sign)
                    .copied()
                    .unwrap_or_default(),
            ))
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = self.peek(sign);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), String> {
        if self.take(sign) {
            return Ok(());
        }
        Err(format!(
            "expected {sign:?}, not {:?}",
            self.tokens.get(self.at)
        ))
    }

    fn word(&mut self) -> Result<String, String> {
        match self.tokens.get(self.at) {
            Some(Token::Word(word)) => {
                self.at += 1;
                Ok(word.clone())
            }
            other => Err(format!("expected a word, not {other:?}")),
        }
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.tokens.get(self.at), Some(Token::Word(it)) if it == word)
    }

    /// `let a = b; c`, or an expression.
    fn block(&mut self) -> Result<Node, String> {
        if !self.is_word("let") {
            return self.choice();
        }
        self.at += 1;
        let name = self.word()?;
        self.expect("=")?;
        let value = self.choice()?;
        self.expect(";")?;
        Ok(Node::Let(name, Box::new(value), Box::new(self.block()?)))
    }

    fn choice(&mut self) -> Result<Node, String> {
        let condition = self.binary(0)?;
        if !self.take("?") {
            return Ok(condition);
        }
        let yes = self.choice()?;
        self.expect(":")?;
        let no = self.choice()?;
        Ok(Node::Choice(
            Box::new(condition),
            Box::new(yes),
            Box::new(no),
        ))
    }

    fn operator(&self) -> Option<(String, u32, usize)> {
        let (name, length) = match self.tokens.get(self.at)? {
            Token::Sign(sign) => ((*sign).to_owned(), 1),
            Token::Word(word)
                if word == "not"
                    && matches!(self.tokens.get(self.at + 1), Some(Token::Word(it)) if it == "in") =>
            {
                ("not in".to_owned(), 2)
            }
            Token::Word(word) => (word.clone(), 1),
            _ => return None,
        };
        let precedence = match name.as_str() {
            "||" => 10,
            "&&" => 15,
            "==" | "!=" | "<" | ">" | "<=" | ">=" | "in" | "not in" | "matches" => 20,
            "+" | "-" => 30,
            "*" => 60,
            "??" => 500,
            _ => return None,
        };
        Some((name, precedence, length))
    }

    fn binary(&mut self, least: u32) -> Result<Node, String> {
        let mut left = self.unary()?;
        while let Some((name, precedence, length)) = self.operator() {
            if precedence < least {
                break;
            }
            self.at += length;
            let right = self.binary(precedence + 1)?;
            left = Node::Both(name, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Node, String> {
        if self.take("!") {
            return Ok(Node::Not(Box::new(self.unary()?)));
        }
        if self.take("-") {
            return Ok(Node::Minus(Box::new(self.binary(90)?)));
        }
        let mut node = self.primary()?;
        loop {
            if self.peek(".") || self.peek("?.") {
                let safe = self.peek("?.");
                self.at += 1;
                let name = self.word()?;
                if self.take("(") {
                    // Methods are those of a response alone.
                    let mut arguments = vec![node];
                    arguments.extend(self.arguments(false)?);
                    node = Node::Call(name, arguments);
                } else {
                    node = Node::Field {
                        of: Box::new(node),
                        name,
                        safe,
                    };
                }
            } else if self.take("[") {
                let from = if self.peek(":") {
                    None
                } else {
                    Some(Box::new(self.choice()?))
                };
                if self.take(":") {
                    let to = if self.peek("]") {
                        None
                    } else {
                        Some(Box::new(self.choice()?))
                    };
                    node = Node::Slice(Box::new(node), from, to);
                } else {
                    node = Node::Index(Box::new(node), from.ok_or("no index")?);
                }
                self.expect("]")?;
            } else {
                return Ok(node);
            }
        }
    }

    fn primary(&mut self) -> Result<Node, String> {
        let token = self.tokens.get(self.at).cloned().ok_or("it ends early")?;
        self.at += 1;
        Ok(match token {
            Token::Text(text) => Node::Constant(Json::String(text)),
            Token::Number(number) => Node::Constant(Json::from(number)),
            Token::Word(word) => match word.as_str() {
                "true" => Node::Constant(Json::Bool(true)),
                "false" => Node::Constant(Json::Bool(false)),
                "nil" => Node::Constant(Json::Null),
                _ if self.take("(") => {
                    let predicate = PREDICATES.contains(&word.as_str());
                    Node::Call(word, self.arguments(predicate)?)
                }
                _ => Node::Name(word),
            },
            // Short for `#.field`.
            Token::Sign(".") => Node::Field {
                of: Box::new(Node::Name("#".into())),
                name: self.word()?,
                safe: false,
            },
            Token::Sign("(") => {
                let node = self.choice()?;
                self.expect(")")?;
                node
            }
            Token::Sign("[") => {
                let mut items = Vec::new();
                while !self.take("]") {
                    items.push(self.choice()?);
                    if !self.peek("]") {
                        self.expect(",")?;
                    }
                }
                Node::Array(items)
            }
            Token::Sign("{") => {
                let mut entries = Vec::new();
                while !self.take("}") {
                    let key = match self.tokens.get(self.at).cloned() {
                        Some(Token::Text(key)) => {
                            self.at += 1;
                            key
                        }
                        _ => self.word()?,
                    };
                    self.expect(":")?;
                    entries.push((key, self.choice()?));
                    if !self.peek("}") {
                        self.expect(",")?;
                    }
                }
                Node::Map(entries)
            }
            other => return Err(format!("{other:?} begins nothing")),
        })
    }

    /// Up to the closing parenthesis. Where a predicate may stand, `{` opens one and no map.
    fn arguments(&mut self, predicate: bool) -> Result<Vec<Node>, String> {
        let mut arguments = Vec::new();
        while !self.take(")") {
            if predicate && arguments.len() == 1 && self.take("{") {
                arguments.push(self.block()?);
                self.expect("}")?;
            } else {
                arguments.push(self.choice()?);
            }
            if !self.peek(")") {
                self.expect(",")?;
            }
        }
        Ok(arguments)
    }
}

#[derive(Clone, Default)]
struct Scope {
    names: BTreeMap<String, Value>,
}

impl Scope {
    fn with(&self, name: &str, value: Value) -> Self {
        let mut names = self.names.clone();
        names.insert(name.to_owned(), value);
        Self { names }
    }
}

impl Environment<'_> {
    fn node(&self, node: &Node, scope: &Scope) -> Result<Value, String> {
        Ok(match node {
            Node::Constant(value) => value.clone().into(),
            Node::Name(name) => match scope.names.get(name) {
                Some(value) => value.clone(),
                // An unknown name is nil, as it is in Kargo, which declares none.
                None => self
                    .variables
                    .get(name)
                    .cloned()
                    .unwrap_or(Json::Null)
                    .into(),
            },
            Node::Let(name, value, body) => {
                let value = self.node(value, scope)?;
                self.node(body, &scope.with(name, value))?
            }
            Node::Field { of, name, safe } => match self.node(of, scope)? {
                Value::Json(Json::Null) if *safe => Json::Null.into(),
                Value::Json(Json::Object(map)) => {
                    map.get(name).cloned().unwrap_or(Json::Null).into()
                }
                other => return Err(format!("{other:?} has no field {name}")),
            },
            Node::Index(of, index) => match (self.node(of, scope)?, self.node(index, scope)?) {
                (Value::Json(Json::Object(map)), Value::Json(Json::String(key))) => {
                    map.get(&key).cloned().unwrap_or(Json::Null).into()
                }
                (Value::Json(Json::Array(items)), Value::Json(Json::Number(at))) => {
                    let at = position(at.as_i64(), items.len())?;
                    items
                        .get(at)
                        .cloned()
                        .ok_or("the index is out of range")?
                        .into()
                }
                (of, index) => return Err(format!("{of:?} has no {index:?}")),
            },
            Node::Slice(of, from, to) => self.slice(of, from.as_deref(), to.as_deref(), scope)?,
            Node::Array(items) => {
                let items = items
                    .iter()
                    .map(|item| Ok(self.node(item, scope)?.to_json()));
                Json::Array(items.collect::<Result<_, String>>()?).into()
            }
            Node::Map(entries) => {
                let mut map = Map::new();
                for (key, value) in entries {
                    map.insert(key.clone(), self.node(value, scope)?.to_json());
                }
                Json::Object(map).into()
            }
            Node::Not(node) => Json::Bool(!self.truth(node, scope)?).into(),
            Node::Minus(node) => match self.node(node, scope)? {
                Value::Json(Json::Number(number)) => {
                    Json::from(-number.as_i64().ok_or("no integer")?).into()
                }
                other => return Err(format!("-{other:?}")),
            },
            Node::Choice(condition, yes, no) => {
                let node = if self.truth(condition, scope)? {
                    yes
                } else {
                    no
                };
                self.node(node, scope)?
            }
            Node::Both(name, left, right) => self.both(name, left, right, scope)?,
            Node::Call(name, arguments) => self.call(name, arguments, scope)?,
        })
    }

    fn truth(&self, node: &Node, scope: &Scope) -> Result<bool, String> {
        match self.node(node, scope)? {
            Value::Json(Json::Bool(value)) => Ok(value),
            other => Err(format!("{other:?} is neither true nor false")),
        }
    }

    fn slice(
        &self,
        of: &Node,
        from: Option<&Node>,
        to: Option<&Node>,
        scope: &Scope,
    ) -> Result<Value, String> {
        let number = |node: Option<&Node>| match node {
            None => Ok(None),
            Some(node) => match self.node(node, scope)? {
                Value::Json(Json::Number(number)) => Ok(number.as_i64()),
                other => Err(format!("{other:?} is no place")),
            },
        };
        let (from, to) = (number(from)?, number(to)?);
        let of = self.node(of, scope)?;
        let length = match &of {
            Value::Json(Json::Array(items)) => items.len(),
            Value::Json(Json::String(text)) => text.len(),
            other => return Err(format!("{other:?} has no part")),
        } as i64;
        let clamp = |at: i64| (if at < 0 { at + length } else { at }).clamp(0, length) as usize;
        let (from, to) = (clamp(from.unwrap_or(0)), clamp(to.unwrap_or(length)));
        Ok(match of {
            Value::Json(Json::Array(items)) => {
                Json::Array(items.get(from..to).unwrap_or_default().to_vec()).into()
            }
            Value::Json(Json::String(text)) => Value::text(text.get(from..to).unwrap_or_default()),
            other => other,
        })
    }

    fn both(&self, name: &str, left: &Node, right: &Node, scope: &Scope) -> Result<Value, String> {
        // The right side is only looked at when it matters.
        match name {
            "&&" => {
                return Ok(
                    Json::Bool(self.truth(left, scope)? && self.truth(right, scope)?).into(),
                );
            }
            "||" => {
                return Ok(
                    Json::Bool(self.truth(left, scope)? || self.truth(right, scope)?).into(),
                );
            }
            "??" => {
                let left = self.node(left, scope)?;
                return match left {
                    Value::Json(Json::Null) => self.node(right, scope),
                    left => Ok(left),
                };
            }
            _ => {}
        }
        let (left, right) = (self.node(left, scope)?, self.node(right, scope)?);
        let order = |name: &str, order: std::cmp::Ordering| match name {
            "<" => order.is_lt(),
            ">" => order.is_gt(),
            "<=" => order.is_le(),
            _ => order.is_ge(),
        };
        use Value::{Duration, Time};
        Ok(match (name, left, right) {
            ("==", left, right) => Json::Bool(left == right).into(),
            ("!=", left, right) => Json::Bool(left != right).into(),
            ("<" | ">" | "<=" | ">=", Time(left), Time(right)) => {
                Json::Bool(order(name, left.cmp(&right))).into()
            }
            (
                "<" | ">" | "<=" | ">=",
                Value::Json(Json::Number(left)),
                Value::Json(Json::Number(right)),
            ) => Json::Bool(order(name, left.as_i64().cmp(&right.as_i64()))).into(),
            ("+", Time(time), Duration(it)) => {
                Time(time.checked_add(it).map_err(|it| it.to_string())?)
            }
            ("+", Duration(left), Duration(right)) => Duration(left + right),
            ("+", Value::Json(Json::String(left)), Value::Json(Json::String(right))) => {
                Value::text(left + &right)
            }
            ("+" | "*", Value::Json(Json::Number(left)), Value::Json(Json::Number(right))) => {
                let (left, right) = left.as_i64().zip(right.as_i64()).ok_or("no integers")?;
                let result = if name == "+" {
                    left.checked_add(right)
                } else {
                    left.checked_mul(right)
                };
                Json::from(result.ok_or("too large")?).into()
            }
            ("in" | "not in", item, Value::Json(Json::Array(items))) => {
                Json::Bool(items.contains(&item.to_json()) == (name == "in")).into()
            }
            ("matches", Value::Json(Json::String(text)), Value::Json(Json::String(pattern))) => {
                let pattern = regex::Regex::new(&pattern).map_err(|it| it.to_string())?;
                Json::Bool(pattern.is_match(&text)).into()
            }
            (name, left, right) => return Err(format!("{left:?} {name} {right:?}")),
        })
    }

    fn call(&self, name: &str, arguments: &[Node], scope: &Scope) -> Result<Value, String> {
        if PREDICATES.contains(&name) {
            let [list, predicate] = arguments else {
                return Err(format!("{name} takes a list and a predicate"));
            };
            let items = match self.node(list, scope)? {
                Value::Json(Json::Array(items)) => items,
                Value::NilList => Vec::new(),
                other => return Err(format!("{name} of {other:?}")),
            };
            return self.each(name, items, predicate, scope);
        }
        let arguments = arguments
            .iter()
            .map(|argument| self.node(argument, scope))
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(function) = self.functions.get(name) {
            return function(&arguments);
        }
        let json: Vec<_> = arguments
            .iter()
            .map(|argument| match argument {
                Value::NilList => Json::Array(Vec::new()),
                other => other.to_json(),
            })
            .collect();
        let text = |n: usize| {
            json.get(n)
                .and_then(Json::as_str)
                .ok_or(format!("{name} takes texts"))
        };
        let list = |n: usize| {
            json.get(n)
                .and_then(Json::as_array)
                .ok_or(format!("{name} takes lists"))
        };
        Ok(match name {
            "len" => match json.first() {
                Some(Json::Array(items)) => Json::from(items.len()).into(),
                Some(Json::String(text)) => Json::from(text.chars().count()).into(),
                other => return Err(format!("len of {other:?}")),
            },
            "date" => match arguments.first() {
                Some(Value::Time(time)) => Value::Time(*time),
                _ => Value::Time(text(0)?.parse().map_err(|it: jiff::Error| it.to_string())?),
            },
            "duration" => Value::Duration(go_duration(text(0)?)?),
            "concat" => {
                let mut all = Vec::new();
                for n in 0..json.len() {
                    all.extend_from_slice(list(n)?);
                }
                if all.is_empty() {
                    return Ok(Value::NilList);
                }
                Json::Array(all).into()
            }
            "split" => {
                let parts: Vec<_> = match text(1)? {
                    "" => text(0)?.chars().map(String::from).collect(),
                    separator => text(0)?.split(separator).map(str::to_owned).collect(),
                };
                Json::from(parts).into()
            }
            "join" => {
                let parts: Option<Vec<_>> = list(0)?.iter().map(Json::as_str).collect();
                Value::text(parts.ok_or("join takes texts")?.join(text(1)?))
            }
            "trim" => Value::text(text(0)?.trim()),
            "indexOf" => Json::from(text(0)?.find(text(1)?).map_or(-1, |at| at as i64)).into(),
            "string" => match json.first() {
                Some(Json::String(text)) => Value::text(text.as_str()),
                Some(other) => Value::text(other.to_string()),
                None => return Err("string of nothing".into()),
            },
            "toJSON" => {
                Value::text(serde_json::to_string_pretty(&json[0]).map_err(|it| it.to_string())?)
            }
            "fromJSON" => serde_json::from_str::<Json>(text(0)?)
                .map_err(|it| it.to_string())?
                .into(),
            // Of the response to a request.
            "header" => match json.first().and_then(|it| it["headers"].get(text(1).ok()?)) {
                Some(value) => value.clone().into(),
                None => Value::text(""),
            },
            _ => return Err(format!("{name} is not known here")),
        })
    }

    fn each(
        &self,
        name: &str,
        items: Vec<Json>,
        predicate: &Node,
        scope: &Scope,
    ) -> Result<Value, String> {
        if name == "reduce" {
            let mut items = items.into_iter();
            let mut sum: Value = items.next().ok_or("reduce of nothing")?.into();
            for item in items {
                let scope = scope.with("#", item.into()).with("#acc", sum);
                sum = self.node(predicate, &scope)?;
            }
            return Ok(sum);
        }
        let mut out = Vec::new();
        for item in items {
            let scope = scope.with("#", item.clone().into());
            if name == "map" {
                out.push(self.node(predicate, &scope)?.to_json());
            } else if self.truth(predicate, &scope)? {
                match name {
                    "any" => return Ok(Json::Bool(true).into()),
                    "find" => return Ok(item.into()),
                    _ => out.push(item),
                }
            }
        }
        Ok(match name {
            "any" => Json::Bool(false).into(),
            "find" => Json::Null.into(),
            _ => Json::Array(out).into(),
        })
    }
}

/// A place counted from the end when it is negative.
fn position(at: Option<i64>, length: usize) -> Result<usize, String> {
    let at = at.ok_or("no integer")?;
    let at = if at < 0 { at + length as i64 } else { at };
    usize::try_from(at).map_err(|_| "the index is out of range".into())
}

/// A duration as Go writes it: `168h0m0s`, `1500ms`.
fn go_duration(text: &str) -> Result<SignedDuration, String> {
    let (mut sum, mut rest) = (SignedDuration::ZERO, text);
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let number: i64 = rest[..digits]
            .parse()
            .map_err(|_| format!("{text:?} is no duration"))?;
        let tail = &rest[digits..];
        let letters = tail
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(tail.len());
        sum += match &tail[..letters] {
            "h" => SignedDuration::from_hours(number),
            "m" => SignedDuration::from_mins(number),
            "s" => SignedDuration::from_secs(number),
            "ms" => SignedDuration::from_millis(number),
            unit => return Err(format!("{text:?} has the unit {unit:?}")),
        };
        rest = &tail[letters..];
    }
    Ok(sum)
}

#[test]
fn the_language_is_read_as_kargo_reads_it() {
    // Each line was tried with github.com/expr-lang/expr 1.17.8.
    for (text, expected) in [
        (r#"1 == 1 ? "a" : "b" + "c""#, r#""a""#),
        (r#"x ?? "" != """#, "false"),
        (r#"true || false && false"#, "true"),
        (r#"find([{"a": 1}], .a == 2)?.b ?? 3"#, "3"),
        (
            r#"map([{"a": 1}], {let k = .a; {"x": k, "n": len(filter([1, 2], # > k))}})"#,
            r#"[{"x":1,"n":1}]"#,
        ),
        (r#"[1, 2, 3][-2:]"#, "[2,3]"),
        (r#"[1][-50:]"#, "[1]"),
        (r#""abc"[:2]"#, r#""ab""#),
        (r#"reduce([1, 2], #acc * 32 + #)"#, "34"),
        (r#"3 not in [1, 2]"#, "true"),
        (r#"split("abc", "")"#, r#"["a","b","c"]"#),
        (r#"x?.y ?? {}"#, "{}"),
        (r#"concat([], [])"#, "null"),
        (r#"filter([1], # > 1)"#, "[]"),
        (r#"map([], #)"#, "[]"),
        (
            r#"date("2026-01-01T00:00:00Z") + duration("1h") > date("2026-01-01T00:59:59.9Z")"#,
            "true",
        ),
        (
            r#"date("2026-01-01T00:00:00Z") + duration("1500ms")"#,
            r#""2026-01-01T00:00:01.5Z""#,
        ),
        (r#"let a = 1; let b = a + 1; b * 2"#, "4"),
        (r#"!(1 == 2) && "x" matches "^[x]$""#, "true"),
    ] {
        let value = Environment::default().evaluate(text);
        let value = value.unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(value.to_json().to_string(), expected, "{text}");
    }
    for text in [
        "1 +",
        "[1][5]",
        "nil.x",
        "{",
        "unknown()",
        "[].x",
        "\"a",
        // A brace opens the predicate, not a map.
        "map([], {\"key\": .k})",
    ] {
        assert!(Environment::default().evaluate(text).is_err(), "{text}");
    }
}
