//! A page as a browser would have it.

use html5ever::tendril::TendrilSink as _;
use markup5ever_rcdom::{Handle, NodeData, RcDom};

/// All elements of a page, each before those inside it.
pub struct Page(Vec<Element>);

pub struct Element {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    /// With that of the elements inside it.
    pub text: String,
    /// Places of the elements around it in the page, the outermost first.
    around: Vec<usize>,
}

impl Page {
    pub fn parse(html: &str) -> Self {
        let tree = html5ever::parse_document(RcDom::default(), html5ever::ParseOpts::default()).one(html);
        let mut page = Self(Vec::new());
        page.add(&tree.document, &[]);
        page
    }

    fn add(&mut self, node: &Handle, around: &[usize]) {
        let mut around = around.to_vec();
        match &node.data {
            NodeData::Element { name, attrs, .. } => {
                let attributes = attrs.borrow();
                let attributes =
                    attributes.iter().map(|one| (one.name.local.to_string(), one.value.to_string()));
                let element = Element {
                    name: name.local.to_string(),
                    attributes: attributes.collect(),
                    text: String::new(),
                    around: around.clone(),
                };
                self.0.push(element);
                around.push(self.0.len() - 1);
            }
            NodeData::Text { contents } => {
                for &outer in &around {
                    self.0[outer].text.push_str(&contents.borrow());
                }
            }
            NodeData::Comment { .. } | NodeData::ProcessingInstruction { .. } => panic!("we write none"),
            NodeData::Document | NodeData::Doctype { .. } => {}
        }
        for child in node.children.borrow().iter() {
            self.add(child, &around);
        }
    }

    pub fn elements(&self) -> impl Iterator<Item = &Element> {
        self.0.iter()
    }

    /// What stands in the elements that `selector` finds: `name` or `name.class`, inside one another.
    pub fn texts(&self, selector: &str) -> Vec<&str> {
        let wanted: Vec<&str> = selector.split(' ').collect();
        let (last, outer) = wanted.split_last().unwrap();
        let is_found = |element: &&Element| {
            let mut around = element.around.iter();
            element.is(last) && outer.iter().all(|wanted| around.any(|&at| self.0[at].is(wanted)))
        };
        self.0.iter().filter(is_found).map(|element| element.text.as_str()).collect()
    }
}

impl Element {
    fn is(&self, wanted: &str) -> bool {
        let (name, class) = wanted.split_once('.').unwrap_or((wanted, ""));
        let classes = self.attributes.iter().find(|(name, _)| name == "class").map_or("", |(_, value)| value);
        self.name == name && (class.is_empty() || classes.split(' ').any(|one| one == class))
    }
}
