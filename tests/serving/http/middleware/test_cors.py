"""Pages of other origins: refused unless `--cors-origin` allows them, with and without API keys."""

from pathlib import Path

import httpx2
import pytest
from serving.running import CHAT, serving

from lorify.serving.settings import ServingSettings

APP = "http://localhost:3000"


def preflight(url: str, origin: str) -> httpx2.Response:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    return httpx2.options(f"{url}/v1/chat/completions", headers=headers)


@pytest.mark.parametrize("owners", [(), ("ann",)], ids=["without keys", "with keys"])
@pytest.mark.parametrize("origins", [(APP,), ("*",)])
def test_an_allowed_page_can_use_the_server(tmp_path: Path, owners, origins) -> None:
    with serving(tmp_path, owners=owners, settings=ServingSettings(cors_origins=origins)) as running:
        asked = preflight(running.url, APP)
        assert asked.status_code == 200
        assert asked.headers["access-control-allow-origin"] in (APP, "*")
        assert "POST" in asked.headers["access-control-allow-methods"]
        assert "authorization" in asked.headers["access-control-allow-headers"].lower()
        headers = {"Origin": APP, "Authorization": f"Bearer {running.keys.get('ann', 'none')}"}
        answer = httpx2.post(f"{running.url}/v1/chat/completions", json=CHAT, headers=headers, timeout=60)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] in (APP, "*")
        bad = httpx2.post(f"{running.url}/v1/chat/completions", json={}, headers=headers)
        assert (bad.status_code, bad.headers["access-control-allow-origin"]) == (400, origins[0])


@pytest.mark.parametrize("owners", [(), ("ann",)], ids=["without keys", "with keys"])
@pytest.mark.parametrize("origins", [(), (APP,)])
def test_other_pages_cannot(tmp_path: Path, owners, origins) -> None:
    with serving(tmp_path, owners=owners, settings=ServingSettings(cors_origins=origins)) as running:
        asked = preflight(running.url, "http://evil.example")
        assert "access-control-allow-origin" not in asked.headers
        if not owners:
            headers = {"Origin": "http://evil.example"}
            answer = httpx2.post(f"{running.url}/v1/chat/completions", json=CHAT, headers=headers)
            assert answer.status_code == 403
            assert "--cors-origin" in answer.json()["error"]["message"]


@pytest.mark.parametrize("origin", ["localhost:3000", "http://localhost:3000/app", "null", ""])
def test_what_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(ValueError, match="is not an origin"):
        ServingSettings(cors_origins=(origin,))
