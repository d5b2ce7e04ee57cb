//! Variables of playlists (RFC 8216bis section 4.4.2.3), through the gateway: from the query, from the
//! multivariant playlist, and those that are not there.

use super::keyed;
use crate::playlist::CHANNEL;
use crate::playlist::get;
use crate::playlist::links;
use crate::playlist::playlist;
use crate::playlist::served;
use crate::support::capture::Canary;
use crate::support::origin::Origin;
use crate::support::origin::Script;
use crate::support::player::Player;

#[tokio::test]
async fn variables_come_from_the_query_and_from_the_multivariant_playlist() {
    let origin = Origin::start(|request| match request.target() {
        "/start.m3u8?t0ken=first" => {
            Script::redirect("302 Found", "/p/master.m3u8?t0ken=s3cond%2Fpart&lang=de")
        }
        "/p/master.m3u8?t0ken=s3cond%2Fpart&lang=de" => Script::m3u(
            "#EXTM3U\n#EXT-X-DEFINE:QUERYPARAM=\"t0ken\"\n#EXT-X-DEFINE:QUERYPARAM=\"lang\"\n\
             #EXT-X-DEFINE:NAME=\"base\",VALUE=\"cdn-{$lang}\"\n\
             #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"{$lang}\",URI=\"/{$base}/a.m3u8?v=1&k=x\"\n\
             #EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\"\n/{$base}/v.m3u8?v=2&k=y\n",
        ),
        "/cdn-de/a.m3u8?v=1&k=x" | "/cdn-de/v.m3u8?v=2&k=y" => Script::m3u(
            "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-DEFINE:IMPORT=\"base\"\n\
             #EXT-X-DEFINE:IMPORT=\"t0ken\"\n#EXT-X-DEFINE:QUERYPARAM=\"k\"\n\
             #EXT-X-KEY:METHOD=AES-128,URI=\"/{$base}/{$t0ken}.key\"\n\
             #EXTINF:4,\n{$k}-{$base}.ts?t={$t0ken}\n",
        ),
        _ => served(request),
    })
    .await;
    let gateway = keyed(&origin.url("/start.m3u8?t0ken=first")).await;
    let canary = Canary::new(["s3cond", "cdn-de", "first"]);
    let master = playlist(&gateway, CHANNEL).await;
    canary.assert_absent("the multivariant playlist", master.as_bytes());
    assert!(!master.contains("{$"), "{master}");
    assert!(master.contains("NAME=\"de\""), "{master}");
    let variants = links(CHANNEL, &master);
    assert_eq!(variants.len(), 2);
    for (variant, letter) in variants.iter().zip(["x", "y"]) {
        for _reload in 0..2 {
            let media = playlist(&gateway, variant).await;
            canary.assert_absent("a media playlist", media.as_bytes());
            assert!(!media.contains("{$"), "{media}");
            let parts = links(variant, &media);
            for part in &parts {
                get(&gateway, part).await;
            }
            let asked: Vec<_> = origin.seen().iter().map(|it| it.target().to_owned()).collect();
            let wanted = [
                "/cdn-de/s3cond/part.key".to_owned(),
                format!("/cdn-de/{letter}-cdn-de.ts?t=s3cond/part"),
            ];
            assert_eq!(asked[asked.len() - 2..], wanted);
        }
    }
}

#[tokio::test]
async fn variables_that_are_not_there_are_502() {
    let origin = Origin::start(|request| match request.path() {
        "/query.m3u8" => Script::m3u("#EXTM3U\n#EXT-X-DEFINE:QUERYPARAM=\"s3cret\"\n#EXTINF:4,\na.ts\n"),
        "/import.m3u8" => Script::m3u("#EXTM3U\n#EXT-X-DEFINE:IMPORT=\"s3cret\"\n#EXTINF:4,\na.ts\n"),
        "/twice.m3u8" => Script::m3u(
            "#EXTM3U\n#EXT-X-DEFINE:NAME=\"a\",VALUE=\"1\"\n#EXT-X-DEFINE:NAME=\"a\",VALUE=\"s3cret\"\n\
             #EXTINF:4,\na.ts\n",
        ),
        _ => Script::m3u("#EXTM3U\n#EXT-X-VERSION:8\n#EXT-X-STREAM-INF:BANDWIDTH=1\nimport.m3u8\n"),
    })
    .await;
    for path in ["/query.m3u8", "/import.m3u8", "/twice.m3u8"] {
        let gateway = keyed(&origin.url(path)).await;
        let answer = Player::get(gateway.stream, CHANNEL).await;
        assert_eq!(answer.status(), 502, "{path}");
        Canary::new(["s3cret"]).assert_absent(path, &answer.everything());
    }
    // Nor does a media playlist find what its multivariant playlist does not define.
    let gateway = keyed(&origin.url("/master.m3u8")).await;
    let variant = links(CHANNEL, &playlist(&gateway, CHANNEL).await).remove(0);
    assert_eq!(Player::get(gateway.stream, &variant).await.status(), 502);
}
