//! Chromium without a screen, driven by W3C WebDriver over HTTP, and a page that plays in it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use serde_json::json;

use super::super::Folder;
use super::super::Server;
use crate::support::eventually::eventually;
use crate::support::origin::Origin;
use crate::support::origin::Script;
use crate::support::player::Player;

/// A browser with a page of players open. Dropping it ends chromedriver, and Chromium with it, which
/// ends when the pipe that it is driven by does.
pub(crate) struct Browser {
    address: SocketAddr,
    session: String,
    page: Origin,
    _driver: Server,
    _folder: Folder,
}

impl Browser {
    /// Starts chromedriver, has it start Chromium and open the page, which has an origin of its own, and the
    /// library that it needs beside it.
    pub(crate) async fn start(
        chromedriver: &Path,
        chromium: &Path,
        page: &'static str,
        library: &Path,
    ) -> Self {
        let name = library.file_name().expect("a file").to_str().expect("UTF-8");
        let (path, script) = (format!("/{name}"), std::fs::read(library).unwrap());
        let page = Origin::start(move |request| match request.path() {
            "/player.html" => Script::html(page),
            other if other == path => Script::whole("200 OK", "text/javascript", &script),
            _ => Script::error("404 Not Found"),
        })
        .await;
        let folder = Folder::new();
        let (driver, port) = start(chromedriver, &folder).await;
        let address = ([127, 0, 0, 1], port).into();
        let session = session(address, chromium).await;
        let browser = Self { address, session, page, _driver: driver, _folder: folder };
        browser.ask("url", &json!({"url": browser.page.url("/player.html")})).await;
        browser
    }

    /// Has the page run `body`, a function's, with these arguments, and returns what it returns.
    pub(crate) async fn run(&self, body: &str, arguments: Value) -> Value {
        self.ask("execute/sync", &json!({"script": body, "args": arguments})).await
    }

    /// Closes the browser.
    pub(crate) async fn close(self) {
        exchange(self.address, "DELETE", &format!("/session/{}", self.session), &json!({})).await;
    }

    async fn ask(&self, command: &str, parameters: &Value) -> Value {
        let path = format!("/session/{}/{command}", self.session);
        exchange(self.address, "POST", &path, parameters).await
    }
}

/// Starts chromedriver on a free port. It wants the same one for IPv6 and IPv4 and takes no other when
/// the second is not free, so it is started until both are.
async fn start(chromedriver: &Path, folder: &Folder) -> (Server, u16) {
    for _ in 0..20 {
        let mut command = Command::new(chromedriver);
        // The profile goes with the folder, and so does what Chromium keeps for its user.
        command.arg("--port=0").env("TMPDIR", &folder.0).env("HOME", &folder.0);
        command.stdout(folder.file("out")).stderr(folder.file("err"));
        let mut driver = Server::start(&mut command);
        let listening = eventually("chromedriver listens, or has ended", || {
            if driver.ended().is_some() {
                return Some(None);
            }
            let said = folder.read("out");
            let (_, port) = said.split_once("started successfully on port ")?;
            Some(Some(port.split_once('.')?.0.parse().ok()?))
        })
        .await;
        if let Some(port) = listening {
            return (driver, port);
        }
        let said = [folder.read("out"), folder.read("err")].concat();
        assert!(said.contains("Address already in use"), "{said}");
    }
    panic!("chromedriver finds no port: {}{}", folder.read("out"), folder.read("err"));
}

/// Starts Chromium; the new session's name.
async fn session(address: SocketAddr, chromium: &Path) -> String {
    let arguments = [
        "--headless=new",
        // Neither a sandbox of its own nor a large /dev/shm is to be had in a container.
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--autoplay-policy=no-user-gesture-required",
        "--ignore-certificate-errors",
        "--remote-debugging-pipe",
    ];
    let options = json!({"binary": chromium, "args": arguments});
    let wanted = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}});
    let made = exchange(address, "POST", "/session", &wanted).await;
    made["sessionId"].as_str().expect("a session").to_owned()
}

/// One command of WebDriver; the value of its answer.
///
/// # Panics
/// With the answer, if it is an error.
async fn exchange(address: SocketAddr, method: &str, path: &str, parameters: &Value) -> Value {
    let body = parameters.to_string();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    let answer = Player::fetch(address, &request).await;
    assert_eq!(answer.status(), 200, "{method} {path}: {}", answer.text());
    let mut answer: Value = serde_json::from_str(answer.text()).expect("JSON");
    answer["value"].take()
}
