"""Files from a browser: pasted, dropped, recorded."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from PIL import Image
from playwright.async_api import Response, expect

from heliogram.node import api
from tests.browser.kit import PATIENCE_MS, Friend, People, Person, Someone
from tests.cli.town import until
from tests.relay.process import RelayProcess

#: Gives an element what a person gives it who pastes or drops files.
GIVE = """([kind, name, type, data]) => {
  const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
  const given = new DataTransfer();
  given.items.add(new File([bytes], name, { type }));
  const place = document.querySelector(kind === "paste" ? ".composer textarea" : ".history");
  const how = { bubbles: true, cancelable: true };
  if (kind === "paste") place.dispatchEvent(new ClipboardEvent("paste", { ...how, clipboardData: given }));
  else for (const one of ["dragenter", "dragover", ...(kind === "drop" ? ["drop"] : [])])
    place.dispatchEvent(new DragEvent(one, { ...how, dataTransfer: given }));
}"""

#: Keeps how many seconds the next sound lasted, once it is over.
LISTEN = """() => {
  const play = HTMLMediaElement.prototype.play;
  window.heard = new Promise((tell) => {
    HTMLMediaElement.prototype.play = function () {
      this.addEventListener("ended", () => tell(this.currentTime));
      return play.call(this);
    };
  });
}"""


def gives(person: Person, kind: str, name: str, content_type: str, data: bytes) -> None:
    """Paste or drop a file in the conversation that is open."""
    what = [kind, name, content_type, base64.b64encode(data).decode()]
    person.do(person.page.evaluate(GIVE, what))


def a_picture() -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (320, 200), "teal").save(made, "PNG")
    return made.getvalue()


def file_of(person: Someone, chat: str, name: str) -> api.FileInfo:
    """Wait until a file of this name has come."""

    async def found() -> api.FileInfo | None:
        history: list[api.Message] = await person.node.call(api.GetHistory(chat))
        every = (file for one in history for file in one.files)
        return next((one for one in every if one.name.startswith(name)), None)

    return person.do(until(found))


def test_a_picture_is_pasted_and_a_file_dropped(anna: Person, ben: Friend) -> None:
    anna.goes_to("Ben")
    anna.fills(anna.composer, "look at")
    gives(anna, "paste", "teal.png", "image/png", a_picture())
    anna.sees(anna.page.get_by_role("dialog").get_by_role("img", name="", include_hidden=True))
    anna.shot("send-picture")
    anna.fills("Caption", "look at this")
    anna.presses("Enter")
    ben.has("Anna", "look at this")
    picture = file_of(ben, "Anna", "teal")
    assert picture.inline
    assert picture.thumbnail
    anna.do(expect(anna.composer).to_have_value("", timeout=PATIENCE_MS))

    gives(anna, "drag", "notes.txt", "text/plain", b"x")
    anna.sees("Drop files here to send them")
    anna.shot("drop")
    gives(anna, "drop", "notes.txt", "text/plain", b"many words" * 1000)
    anna.sees(anna.page.get_by_role("dialog").get_by_text("notes.txt"))
    anna.misses("Drop files here to send them")
    anna.shot("send-file")
    anna.types("and this")
    anna.presses("Enter")
    ben.has("Anna", "and this")
    assert file_of(ben, "Anna", "notes").size == 10_000
    anna.misses(anna.page.locator(".outgoing-one"))


def test_a_voice_note_is_recorded_sent_and_heard(people: People, anna: Person) -> None:
    cleo = people.at_home("Cleo")
    people.acquaint(anna, cleo)
    anna.goes_to("Cleo")
    anna.clicks("Record a voice message")
    anna.sees(anna.page.get_by_role("timer").get_by_text("0:01"))
    anna.shot("recording")
    anna.clicks("Stop, and listen")
    anna.clicks(anna.page.locator(".recorder").get_by_role("button", name="Play"))
    anna.sees(anna.page.locator(".recorder").get_by_text("0:00"))
    anna.clicks("Send voice message")

    cleo.goes_to("Anna")
    cleo.do(cleo.page.evaluate(LISTEN))
    cleo.clicks(cleo.history.get_by_role("button", name="Play"))
    assert cleo.do(cleo.page.evaluate("window.heard")) >= 1
    note = file_of(cleo, "Anna", "voice.")
    assert note.content_type in ("audio/webm", "audio/ogg", "audio/mp4")
    assert note.inline
    assert note.duration is not None
    assert note.duration >= 1

    anna.clicks("Record a voice message")
    anna.sees(anna.page.get_by_role("timer"))
    anna.presses("Escape")
    anna.sees(anna.composer)


def test_a_held_button_sends_when_it_is_let_go(anna: Person, ben: Friend) -> None:
    anna.goes_to("Ben")
    anna.do(anna.button("Record a voice message").hover())
    anna.do(anna.page.mouse.down())
    anna.sees(anna.page.get_by_role("timer").get_by_text("0:01"))
    anna.do(anna.page.mouse.up())
    assert file_of(ben, "Anna", "voice.").duration
    anna.sees(anna.composer)


#: A second of video, made by the browser.
FILM = """async () => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [320, 180];
  const pen = canvas.getContext("2d");
  const recorder = new MediaRecorder(canvas.captureStream(20), { mimeType: "video/webm;codecs=vp8" });
  const over = new Promise((tell) => (recorder.ondataavailable = (event) => tell(event.data)));
  recorder.start();
  for (let at = 0; at < 20; at++) {
    pen.fillStyle = `hsl(${at * 18} 60% 50%)`;
    pen.fillRect(0, 0, 320, 180);
    await new Promise((tell) => setTimeout(tell, 50));
  }
  recorder.stop();
  const bytes = new Uint8Array(await (await over).arrayBuffer());
  return btoa([...bytes].map((one) => String.fromCharCode(one)).join(""));
}"""

#: Plays a video to its end, goes back into it, and tells how it was.
WATCH = """async (video) => {
  const once = (event) => new Promise((tell) => video.addEventListener(event, tell, { once: true }));
  await Promise.all([once("ended"), video.play()]);
  video.currentTime = 0.2;
  await once("seeked");
  return [video.videoWidth, video.currentTime, new URL(video.currentSrc).origin !== location.origin];
}"""


def test_a_video_is_played_where_it_stands(people: People, anna: Person) -> None:
    cleo = people.at_home("Cleo")
    people.acquaint(anna, cleo)
    anna.goes_to("Cleo")
    film = base64.b64decode(anna.do(anna.page.evaluate(FILM)))
    gives(anna, "drop", "river.webm", "video/webm", film)
    anna.clicks("Send")
    cleo.goes_to("Anna")
    answers: list[Response] = []
    cleo.page.on("response", lambda one: answers.append(one))
    cleo.clicks(cleo.history.get_by_role("button", name="Play"))
    video = cleo.history.locator("video")
    assert cleo.do(video.evaluate(WATCH)) == [320, 0.2, True]
    cleo.shot("video")
    parts = [
        one for one in answers if one.headers.get("content-range", "").endswith(str(len(film)))
    ]
    assert parts and {one.status for one in parts} == {206}


def test_what_no_relay_took_is_sent_again(anna: Person, tmp_path: Path) -> None:
    small = RelayProcess(tmp_path / "small", settings={"max_blob": 50_000})
    small.start()
    try:
        where = f"ws://{small.where}/ws#{small.key.hex()}"
        anna.ask(api.CreateGroup("Attic", relays=(where,)))
        anna.goes_to("Attic")
        gives(anna, "drop", "map.bin", "application/octet-stream", bytes(90_000))
        anna.fills("Caption", "the map")
        anna.clicks("Send")
        anna.clicks(anna.history.get_by_role("button", name="Not sent"))
        anna.shot("failed")
        # Its owner lets the relay take more.
        place = small.where
        small.kill()
        small = RelayProcess(tmp_path / "small", listen=place).start()
        anna.clicks("Send again")
        anna.misses(anna.history.get_by_role("button", name="Not sent"))
        stored = anna.history.locator(".message").filter(has_text="map.bin")
        anna.sees(stored.filter(has_text="the map").locator(".ticks[data-state=stored]"))
        anna.do(expect(stored).to_have_count(1, timeout=PATIENCE_MS))
    finally:
        small.kill()


def test_files_that_wait_can_wait_longer(anna: Person, ben: Friend) -> None:
    anna.goes_to("Ben")
    gives(anna, "drop", "plan.txt", "text/plain", b"ten o'clock")
    anna.clicks("Send later…")
    anna.clicks("In an hour")
    anna.clicks("1 scheduled message")
    [before] = anna.ask(api.GetScheduled())
    anna.clicks("Another time")
    anna.clicks("Tomorrow morning")

    async def moved() -> api.Scheduled | None:
        [found] = await anna.node.call(api.GetScheduled())
        return found if found.at != before.at else None

    after = anna.do(until(moved))
    assert (after.number, after.files) == (before.number, ("plan.txt",))
    anna.clicks("Send now")
    assert file_of(ben, "Anna", "plan").size == 11


def test_what_the_node_refuses_can_be_tried_otherwise(anna: Person, ben: Friend) -> None:
    anna.goes_to("Ben")
    gives(anna, "paste", "broken.png", "image/png", b"\x89PNG\r\n\x1a\n and no more")
    anna.clicks("Send")
    anna.sees(anna.page.locator(".outgoing-one.wrong"))
    anna.shot("refused")
    anna.clicks("Send as file")
    assert not file_of(ben, "Anna", "broken").inline
    anna.misses(anna.page.locator(".outgoing-one"))
