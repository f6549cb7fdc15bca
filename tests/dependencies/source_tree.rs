//! The modules of this crate as its files write them: what each defines and imports, and the file
//! that a path leads to. Modules that only tests have are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Names joined by `::`.
type Names = Vec<String>;

/// A module and the file that it is written in.
#[derive(Default)]
struct Module {
    file: usize,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    items: BTreeSet<String>,
    /// What a name that is imported stands for.
    imports: BTreeMap<String, Names>,
    /// All paths and lone names, those of private imports included.
    mentions: BTreeSet<Names>,
}

/// The crate.
pub struct SourceTree {
    /// Relative to `src/`.
    pub files: Vec<String>,
    modules: Vec<Module>,
}

impl SourceTree {
    /// Reads `lib.rs` of a folder and all modules below it.
    pub fn read(src: &Path) -> SourceTree {
        let mut tree = SourceTree {
            files: Vec::new(),
            modules: Vec::new(),
        };
        tree.file(src, "lib.rs".into(), PathBuf::new(), None);
        tree
    }

    /// Pairs of files, the first of which uses something that the second defines.
    pub fn edges(&self) -> BTreeSet<(usize, usize)> {
        let mut edges = BTreeSet::new();
        for (at, module) in self.modules.iter().enumerate() {
            for names in &module.mentions {
                if let Some(defined) = self.definition(at, names, 0)
                    && self.modules[defined].file != module.file
                {
                    edges.insert((module.file, self.modules[defined].file));
                }
            }
        }
        edges
    }

    /// Files that mention a crate by its name.
    pub fn users_of(&self, name: &str) -> BTreeSet<&str> {
        let mentions = |module: &&Module| module.mentions.iter().any(|names| names[0] == name);
        let users = self.modules.iter().filter(mentions);
        users.map(|module| &*self.files[module.file]).collect()
    }

    /// `folder` is where the files of its child modules lie.
    fn file(&mut self, src: &Path, path: PathBuf, folder: PathBuf, parent: Option<usize>) -> usize {
        let text = fs::read_to_string(src.join(&path)).unwrap();
        let tokens: TokenStream = text
            .parse()
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self.files.push(path.to_str().unwrap().to_owned());
        self.module(src, self.files.len() - 1, folder, parent, tokens)
    }

    fn module(
        &mut self,
        src: &Path,
        file: usize,
        folder: PathBuf,
        parent: Option<usize>,
        tokens: TokenStream,
    ) -> usize {
        let index = self.modules.len();
        self.modules.push(Module {
            file,
            parent,
            ..Module::default()
        });
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let (mut at, mut rest) = (0, Vec::new());
        let (mut public, mut for_tests) = (false, false);
        while at < tokens.len() {
            match (word(&tokens, at).as_str(), tokens.get(at + 1)) {
                ("#", Some(TokenTree::Group(attribute))) => {
                    let text = attribute.stream().to_string().replace(' ', "");
                    for_tests |= text.contains("cfg(test)") || text.contains("cfg(all(test");
                    at += 1;
                }
                ("pub", _) => public = true,
                ("use", _) => {
                    let end = end_of(&tokens, at);
                    if !for_tests {
                        self.import(index, &tokens[at + 1..end], public);
                    }
                    at = end;
                    (public, for_tests) = (false, false);
                }
                ("mod", Some(TokenTree::Ident(name))) => {
                    let name = name.to_string();
                    if !for_tests {
                        let child = match tokens.get(at + 2) {
                            Some(TokenTree::Group(body)) => {
                                let folder = folder.join(&name);
                                self.module(src, file, folder, Some(index), body.stream())
                            }
                            _ => {
                                let beside = folder.join(format!("{name}.rs"));
                                let path = match src.join(&beside).exists() {
                                    true => beside,
                                    false => folder.join(&name).join("mod.rs"),
                                };
                                self.file(src, path, folder.join(&name), Some(index))
                            }
                        };
                        self.modules[index].children.insert(name, child);
                    }
                    at += 3;
                    (public, for_tests) = (false, false);
                    continue;
                }
                (
                    "struct" | "enum" | "union" | "trait" | "type" | "fn" | "const" | "static",
                    Some(TokenTree::Ident(name)),
                ) => {
                    let name = name.to_string();
                    self.modules[index].items.insert(name);
                }
                ("macro_rules", _) => {
                    let name = word(&tokens, at + 2);
                    self.modules[index].items.insert(name);
                }
                (";", _) => (public, for_tests) = (false, false),
                _ => {}
            }
            if let Some(token) = tokens.get(at) {
                match token {
                    TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                        if !for_tests {
                            rest.push(token.clone());
                        }
                        (public, for_tests) = (false, false);
                    }
                    _ if !for_tests => rest.push(token.clone()),
                    _ => {}
                }
            }
            at += 1;
        }
        self.mention(index, &rest);
        index
    }

    /// A `use` of a module. One that is public is no use of its own: what the file uses by that
    /// name shows itself.
    fn import(&mut self, module: usize, tokens: &[TokenTree], public: bool) {
        let mut leaves = Vec::new();
        use_leaves(tokens, &mut Vec::new(), &mut leaves);
        for (names, known_as) in leaves {
            let module = &mut self.modules[module];
            if !public {
                module.mentions.insert(names.clone());
            }
            module.imports.insert(known_as, names);
        }
    }

    /// Keeps the paths and names in these tokens, and in what they enclose.
    fn mention(&mut self, module: usize, tokens: &[TokenTree]) {
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Group(group) => {
                    let inside: Vec<TokenTree> = group.stream().into_iter().collect();
                    self.mention(module, &inside);
                }
                TokenTree::Ident(word) if word == "use" => {
                    let end = end_of(tokens, at);
                    let mut leaves = Vec::new();
                    use_leaves(&tokens[at + 1..end], &mut Vec::new(), &mut leaves);
                    let names = leaves.into_iter().map(|(names, _)| names);
                    self.modules[module].mentions.extend(names);
                    at = end;
                }
                // A field or a method is nobody's name.
                TokenTree::Ident(_) if at == 0 || word(tokens, at - 1) != "." => {
                    let names = path(tokens, &mut at);
                    self.modules[module].mentions.insert(names);
                    continue;
                }
                _ => {}
            }
            at += 1;
        }
    }

    /// The module that defines what a path means, seen from a module; none for another crate's and
    /// for modules themselves.
    fn definition(&self, module: usize, names: &[String], depth: usize) -> Option<usize> {
        assert!(depth < 32, "{names:?} imports itself");
        let (first, rest) = names.split_first()?;
        let mut from = match first.as_str() {
            "crate" | "edge_reasoner" => 0,
            "self" => module,
            "super" => self.modules[module].parent?,
            _ => return self.member(module, names, depth),
        };
        let mut rest = rest;
        while rest.first().is_some_and(|name| name == "super") {
            from = self.modules[from].parent?;
            rest = &rest[1..];
        }
        self.member(from, rest, depth)
    }

    fn member(&self, module: usize, names: &[String], depth: usize) -> Option<usize> {
        let (first, rest) = names.split_first()?;
        let found = &self.modules[module];
        if let Some(child) = found.children.get(first)
            && !rest.is_empty()
        {
            return self.member(*child, rest, depth);
        }
        if found.items.contains(first) {
            return Some(module);
        }
        let import = found.imports.get(first)?;
        if import[0] == *first {
            return None; // a crate by its name
        }
        let whole: Names = import.iter().chain(rest).cloned().collect();
        self.definition(module, &whole, depth + 1)
    }
}

/// A token's text, groups aside.
fn word(tokens: &[TokenTree], at: usize) -> String {
    match tokens.get(at) {
        Some(TokenTree::Group(_)) | None => String::new(),
        Some(token) => token.to_string(),
    }
}

/// Where the semicolon is.
fn end_of(tokens: &[TokenTree], from: usize) -> usize {
    (from..tokens.len())
        .find(|at| word(tokens, *at) == ";")
        .unwrap_or(tokens.len())
}

/// The path that begins here; `at` goes behind it.
fn path(tokens: &[TokenTree], at: &mut usize) -> Names {
    let mut names = vec![word(tokens, *at)];
    *at += 1;
    while word(tokens, *at) == ":"
        && word(tokens, *at + 1) == ":"
        && matches!(tokens.get(*at + 2), Some(TokenTree::Ident(_)))
    {
        names.push(word(tokens, *at + 2));
        *at += 3;
    }
    names
}

/// What a `use` brings: paths, and the names they get.
fn use_leaves(tokens: &[TokenTree], before: &mut Names, leaves: &mut Vec<(Names, String)>) {
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Ident(_) => {
                let known = before.len();
                before.extend(path(tokens, &mut at));
                if let (":", Some(TokenTree::Group(group))) =
                    (word(tokens, at).as_str(), tokens.get(at + 2))
                {
                    let inside: Vec<TokenTree> = group.stream().into_iter().collect();
                    use_leaves(&inside, before, leaves);
                    at += 3;
                } else {
                    let mut names = before.clone();
                    if names.len() > 1 && names.last().is_some_and(|name| name == "self") {
                        names.pop();
                    }
                    let known_as = match word(tokens, at).as_str() {
                        "as" => word(tokens, at + 1),
                        _ => names.last().cloned().unwrap_or_default(),
                    };
                    leaves.push((names, known_as));
                }
                before.truncate(known);
                while at < tokens.len() && word(tokens, at) != "," {
                    at += 1;
                }
            }
            _ => at += 1,
        }
    }
}
