//! Templates in labels and annotations: the accepted subset of Prometheus' templates.
//!
//! Prometheus rejects a rule file with a template that Go's `text/template` does not parse. This parser accepts the
//! part of that language that labels need: values, the functions of Prometheus and Go with their number of arguments,
//! `if`, `else`, `with` and `end`. Everything else (`range`, `define`, variables) is refused with the reason.

/// Functions with their minimum and maximum number of arguments, including a piped one.
const FUNCTIONS: &[(&str, usize, usize)] = &[
    ("and", 1, 9),
    ("or", 1, 9),
    ("not", 1, 1),
    ("len", 1, 1),
    ("eq", 2, 9),
    ("ne", 2, 2),
    ("lt", 2, 2),
    ("le", 2, 2),
    ("gt", 2, 2),
    ("ge", 2, 2),
    ("print", 0, 9),
    ("printf", 1, 9),
    ("urlquery", 1, 9),
    ("title", 1, 1),
    ("toUpper", 1, 1),
    ("toLower", 1, 1),
    ("stripPort", 1, 1),
    ("stripDomain", 1, 1),
    ("match", 2, 2),
    ("reReplaceAll", 3, 3),
    ("humanize", 1, 1),
    ("humanize1024", 1, 1),
    ("humanizeDuration", 1, 1),
    ("humanizePercentage", 1, 1),
    ("humanizeTimestamp", 1, 1),
    ("graphLink", 1, 1),
    ("tableLink", 1, 1),
    ("externalURL", 0, 0),
    ("pathPrefix", 0, 0),
];

/// Maximum nesting of parentheses.
const MAX_DEPTH: usize = 16;

/// Checks a template.
///
/// # Errors
/// The part that Prometheus would not accept.
pub(super) fn check(text: &str) -> Result<(), String> {
    let mut open: Vec<bool> = Vec::new();
    let mut rest = text;
    while let Some((_, behind)) = rest.split_once("{{") {
        let (action, after) = action(behind)?;
        rest = after;
        let tokens = tokens(action)?;
        block(&tokens, &mut open)?;
    }
    if open.is_empty() { Ok(()) } else { Err("`{{ if }}` or `{{ with }}` without `{{ end }}`".to_owned()) }
}

#[derive(Debug, PartialEq)]
enum Token<'t> {
    /// `$labels.x`, `.Labels.x`, `$value` or `.`.
    Value,
    Constant,
    Word(&'t str),
    Pipe,
    Open,
    Close,
}

/// The inner part of an action without trim markers, and the text after it.
fn action(text: &str) -> Result<(&str, &str), String> {
    const UNCLOSED: &str = "`{{` without its `}}`";
    let inner = match text.strip_prefix('-') {
        Some(rest) if rest.starts_with(' ') => rest,
        _ => text,
    };
    let mut quote = None;
    let mut escaped = false;
    for (place, c) in inner.char_indices() {
        match quote {
            Some('"') if escaped => escaped = false,
            Some('"') if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '`' => quote = Some(c),
            None if inner[place..].starts_with("}}") => {
                let action = &inner[..place];
                let action = action.strip_suffix('-').filter(|rest| rest.ends_with(' ')).unwrap_or(action);
                return Ok((action, &inner[place + 2..]));
            }
            _ => {}
        }
    }
    Err(UNCLOSED.to_owned())
}

fn tokens(action: &str) -> Result<Vec<Token<'_>>, String> {
    let mut tokens = Vec::new();
    let mut rest = action.trim_start_matches(' ');
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '|' => (Token::Pipe, 1),
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            '"' => (Token::Constant, string(rest)?),
            '`' => (Token::Constant, rest[1..].find('`').map_or(rest.len(), |end| end + 2)),
            _ => {
                let end = rest.find([' ', '|', '(', ')', '"', '`']).unwrap_or(rest.len());
                (word(&rest[..end])?, end)
            }
        };
        let behind = &rest[length..];
        // Go requires a space between two operands.
        let operand = !matches!(token, Token::Pipe | Token::Open);
        if operand && !(behind.is_empty() || behind.starts_with([' ', '|', ')'])) {
            return Err(format!("no space after `{}`", &rest[..length]));
        }
        tokens.push(token);
        rest = behind.trim_start_matches(' ');
    }
    Ok(tokens)
}

/// The length of a string literal including its quotes.
fn string(text: &str) -> Result<usize, String> {
    let mut characters = text.char_indices().skip(1);
    while let Some((place, c)) = characters.next() {
        match c {
            '"' => return Ok(place + 1),
            '\\' => match characters.next() {
                Some((_, '\\' | '"' | 'n' | 't' | 'r')) => {}
                _ => return Err(r#"an escape in a string that is not \\, \", \n, \t or \r"#.to_owned()),
            },
            _ => {}
        }
    }
    Err("a string without its closing quote".to_owned())
}

fn word(text: &str) -> Result<Token<'_>, String> {
    let name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let field = |prefix: &str| text.strip_prefix(prefix).is_some_and(name);
    if matches!(text, "." | "$value" | "$externalURL" | ".Value" | ".ExternalURL" | "$labels" | ".Labels")
        || ["$labels.", "$externalLabels.", ".Labels.", ".ExternalLabels."].into_iter().any(field)
    {
        return Ok(Token::Value);
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let number = digits.split_once('.').map_or_else(
        // A leading zero makes an octal number, in which 8 is not a digit.
        || is_number(digits) && (digits == "0" || !digits.starts_with('0')),
        |(whole, fraction)| is_number(whole) && is_number(fraction),
    );
    if number || matches!(text, "true" | "false") {
        return Ok(Token::Constant);
    }
    if name(text) {
        return Ok(Token::Word(text));
    }
    Err(format!("`{text}` is not $labels.NAME, $value, $externalLabels.NAME, $externalURL, a function or a constant"))
}

fn is_number(text: &str) -> bool {
    (1..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Checks one action. `open` has one entry per open block: whether its plain `else` was seen.
fn block(tokens: &[Token<'_>], open: &mut Vec<bool>) -> Result<(), String> {
    match tokens {
        [Token::Word("end")] => open.pop().map(|_| ()).ok_or_else(|| "`{{ end }}` without a block".to_owned()),
        [Token::Word("else"), rest @ ..] => {
            let had = open.last_mut().ok_or("`{{ else }}` without `{{ if }}`")?;
            if *had {
                return Err("a second `{{ else }}`".to_owned());
            }
            match rest {
                [] => *had = true,
                [Token::Word("if"), rest @ ..] => pipeline(rest, 0)?,
                _ => return Err("`{{ else }}` with something other than `if` after it".to_owned()),
            }
            Ok(())
        }
        [Token::Word("if" | "with"), rest @ ..] => {
            open.push(false);
            pipeline(rest, 0)
        }
        tokens => pipeline(tokens, 0),
    }
}

fn pipeline(tokens: &[Token<'_>], depth: usize) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err("too many parentheses".to_owned());
    }
    let mut stages = Vec::new();
    let (mut begin, mut level) = (0, 0_usize);
    for (place, token) in tokens.iter().enumerate() {
        match token {
            Token::Open => level += 1,
            Token::Close => level = level.checked_sub(1).ok_or("`)` without `(`")?,
            Token::Pipe if level == 0 => {
                stages.push(&tokens[begin..place]);
                begin = place + 1;
            }
            _ => {}
        }
    }
    stages.push(&tokens[begin..]);
    if level > 0 {
        return Err("`(` without `)`".to_owned());
    }
    stages.iter().enumerate().try_for_each(|(number, stage)| command(stage, number > 0, depth))
}

/// Checks a function with its arguments, or one operand; `piped` adds one argument.
fn command(tokens: &[Token<'_>], piped: bool, depth: usize) -> Result<(), String> {
    let mut operands = 0;
    let mut rest = tokens;
    while let [first, behind @ ..] = rest {
        rest = behind;
        match first {
            Token::Open => {
                let (mut level, mut end) = (1, 0);
                while level > 0 {
                    match behind.get(end) {
                        Some(Token::Open) => level += 1,
                        Some(Token::Close) => level -= 1,
                        Some(_) => {}
                        None => return Err("`(` without `)`".to_owned()),
                    }
                    end += 1;
                }
                pipeline(&behind[..end - 1], depth + 1)?;
                rest = &behind[end..];
            }
            // A function as an argument needs parentheses.
            Token::Word(name) if operands > 0 && arity(name).is_none_or(|(least, _)| least > 0) => {
                return Err(format!("`{name}` as an argument without parentheses"));
            }
            _ => {}
        }
        operands += 1;
    }
    match tokens.first() {
        None => Err("an action without a value".to_owned()),
        Some(Token::Word(name)) => {
            let (least, most) = arity(name).ok_or_else(|| format!("unsupported function `{name}`"))?;
            let arguments = operands - 1 + usize::from(piped);
            if (least..=most).contains(&arguments) {
                Ok(())
            } else {
                Err(format!("`{name}` with {arguments} arguments"))
            }
        }
        Some(_) if piped => Err("a value after `|`: expected a function".to_owned()),
        Some(_) if operands > 1 => Err("a value with arguments".to_owned()),
        Some(_) => Ok(()),
    }
}

fn arity(name: &str) -> Option<(usize, usize)> {
    FUNCTIONS.iter().find(|(known, ..)| *known == name).map(|(_, least, most)| (*least, *most))
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn what_prometheus_takes_is_taken() {
        for text in [
            "plain }} text",
            "{{ $labels.ensemble }}-{{$value}}",
            "{{- $labels.a -}} {{ .Labels.a | toUpper }}",
            "{{ if eq $labels.ensemble \"prod\" }}a{{ else if not $labels.b }}b{{ else }}c{{ end }}",
            "{{ with $labels.cluster }}{{ . }}{{ end }}",
            "{{ printf \"%.1f }} \\\"\" $value | title }}",
            "{{ reReplaceAll `^(.*):.*$` \"$1\" $labels.instance }}",
            "{{ (printf \"%s\" ($labels.a | toLower)) | len }}",
            "{{ externalURL }}{{ eq 1 -2.5 }}{{ \"x\" }}{{ true }}",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_prometheus_refuses_is_refused() {
        for text in [
            "{{ nope }}",
            "{{ }}",
            "{{}}",
            "{{ if }}",
            "{{ if $value }}",
            "{{ end }}",
            "{{ else }}",
            "{{ $value",
            "{{ $value }",
            "{{ $nope }}",
            "{{ $labels. }}",
            "{{ $labels.a-b }}",
            "{{ $value | }}",
            "{{ | title }}",
            "{{ ( $value }}",
            "{{ $value ) }}",
            "{{ \"a }}",
            "{{ 'a' }}",
            "{{ \"\\q\" }}",
            "{{ 5 | 6 }}",
            "{{ humanize }}",
            "{{ title title }}",
            "{{ range $labels }}{{ end }}",
            "{{ define \"x\" }}{{ end }}",
            "{{ $x := 1 }}",
            "{{ if 1 }}{{ else }}{{ else }}{{ end }}",
            "{{ $value$value }}",
            "{{ \"a\"\"b\" }}",
            "{{ 08 }}",
            "{{ eq $value\n1 }}",
        ] {
            assert!(check(text).is_err(), "{text}");
        }
    }
}
