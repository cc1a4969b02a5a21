//! Finds the links of a page.

use std::cell::{Cell, RefCell};

use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};
use url::Url;

/// The pages and images that the page at `url` links to. HTML has rules for what broken HTML means,
/// and the tokenizer knows them. There is no tree: the links are in the tags, and to build the tree of a
/// page of a megabyte of `<div>` takes minutes.
pub(crate) fn links(html: &str, url: &Url) -> Vec<Url> {
    let input = BufferQueue::default();
    input.push_back(html.into());
    let tags = Tokenizer::new(Links::default(), TokenizerOpts::default());
    let _ = tags.feed(&input); // it stops early for scripts only, which `Links` never asks for
    tags.end();
    let base = tags.sink.base.take().and_then(|base| url.join(&base).ok());
    let base = base.as_ref().unwrap_or(url);
    tags.sink.targets.take().iter().filter_map(|target| base.join(target).ok()).collect()
}

#[derive(Default)]
struct Links {
    targets: RefCell<Vec<String>>,
    base: Cell<Option<String>>, // the first one counts
}

impl TokenSink for Links {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let Token::TagToken(tag) = token else { return TokenSinkResult::Continue };
        if tag.kind == TagKind::EndTag {
            return TokenSinkResult::Continue;
        }
        match &*tag.name {
            "a" | "area" => self.targets.borrow_mut().extend(value(&tag, "href")),
            "img" => self.targets.borrow_mut().extend(value(&tag, "src")),
            "base" => self.base.set(self.base.take().or_else(|| value(&tag, "href"))),
            // The content of these tags is text, even if it looks like a tag.
            "script" => return TokenSinkResult::RawData(RawKind::ScriptData),
            "style" | "xmp" | "iframe" | "noembed" | "noframes" => {
                return TokenSinkResult::RawData(RawKind::Rawtext);
            }
            "textarea" | "title" => return TokenSinkResult::RawData(RawKind::Rcdata),
            "plaintext" => return TokenSinkResult::Plaintext,
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

fn value(tag: &Tag, name: &str) -> Option<String> {
    let attribute = tag.attrs.iter().find(|attribute| &*attribute.name.local == name)?;
    Some(attribute.value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(html: &str) -> Vec<String> {
        let url = "http://here/dir/page?x=1".parse().expect("a URL");
        links(html, &url).iter().map(Url::to_string).collect()
    }

    #[test]
    fn links_are_relative_to_their_page_or_to_its_base() {
        let html =
            "<a href=next>a</a><a href='../up'>b</a><a href='?x=2'>c</a><img src='//there/i'>";
        let expected = ["dir/next", "up", "dir/page?x=2"].map(|path| format!("http://here/{path}"));
        assert_eq!(found(html)[..3], expected);
        assert_eq!(found(html)[3], "http://there/i");
        assert_eq!(found("<base href=/other/><a href=next>"), ["http://here/other/next"]);
    }

    #[test]
    fn broken_html_is_read_as_browsers_read_it() {
        let html =
            "<p><a href=one<b>x <A HREF = \"two&amp;b\" href=never>y</p></i><a href='thr\nee'";
        assert_eq!(found(html), ["http://here/dir/one%3Cb", "http://here/dir/two&b"]);
    }

    #[test]
    fn text_that_is_no_link_is_not_followed() {
        let html = "<!-- <a href=a> --><script>'<a href=b>'</script><textarea><a href=c></textarea>\
                    <a>d</a><a href='http://['>e</a><p title='<a href=f>'>";
        assert_eq!(found(html), [""; 0]);
    }

    #[test]
    fn a_page_that_is_all_depth_is_read_too() {
        let html = format!("{}<a href=/deep>", "<b><p>".repeat(50_000));
        assert_eq!(found(&html), ["http://here/deep"]); // a tree would take minutes to build
    }
}
