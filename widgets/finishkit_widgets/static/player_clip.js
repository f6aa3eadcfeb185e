/**
 * The clip: a video nobody sees, and an integer frame. Frame n is on show from n / fps on, so the
 * player seeks to its middle and reads back which one came from the time the browser presents.
 *
 * @param {(frame: number) => void} onFrame a frame is ready to be drawn
 * @param {() => void} onState playing or not has changed
 */
function fkClip(onFrame, onState) {
  const video = fkMake("video");
  Object.assign(video, { muted: true, playsInline: true, preload: "auto" });
  const url = fkUrl("video/mp4");
  let info = { frames: 0, fps: 24 };
  let ready = false;
  let failed = false;
  let shown = -1;
  let wanted = -1;
  let target = -1;
  let seeking = false;
  let backwards = 0;
  let waiting = 0;
  let picture = null;

  const inside = (frame) => Math.min(info.frames - 1, Math.max(0, frame));
  function present(frame) {
    shown = frame;
    // At rest the frame that was asked for counts: the next step may come before it is presented.
    if (!video.paused) wanted = frame;
    onFrame(frame);
  }
  /**
   * Take hold of the picture together with its time. The video itself may be a frame further by
   * the time it is drawn (seen once in some hundred frames, under load, where the loop closes).
   */
  function hold() {
    picture?.close();
    picture = null;
    if (typeof VideoFrame === "undefined") return null;
    try {
      picture = new VideoFrame(video);
    } catch {
      return null;
    }
    return picture.timestamp / 1e6;
  }
  function onPresented(_now, meta) {
    ask = video.requestVideoFrameCallback(onPresented);
    // The poster of a clip still loading belongs to nobody.
    if (ready) present(inside(Math.round((hold() ?? meta.mediaTime) * info.fps)));
  }
  let ask = video.requestVideoFrameCallback(onPresented);

  function go(frame) {
    wanted = inside(frame);
    if (!ready || seeking) return;
    target = wanted;
    seeking = true;
    video.currentTime = (target + 0.5) / info.fps;
  }
  const on = {
    loadeddata() {
      ready = true;
      go(wanted);
      onState();
    },
    error() {
      if (!url_given) return;
      failed = true;
      ready = false;
      onState();
    },
    seeked() {
      seeking = false;
      if (wanted !== target) return go(wanted);
      // A seek to the frame that is there already presents nothing anew.
      clearTimeout(waiting);
      waiting = setTimeout(() => {
        if (shown === target || !video.paused || !ready) return;
        hold();
        present(target);
      }, 150);
    },
    play: () => onState(),
    pause: () => onState(),
    ended: () => onState(),
  };
  let url_given = false;
  for (const [name, call] of Object.entries(on)) video.addEventListener(name, call);

  function stop() {
    clearInterval(backwards);
    backwards = 0;
    if (!video.paused) video.pause();
    onState();
  }
  return {
    /** What is drawn for the frame on show. */
    get picture() {
      return picture ?? video;
    },
    get ready() {
      return ready;
    },
    get failed() {
      return failed;
    },
    get shown() {
      return shown;
    },
    get playing() {
      return Boolean(backwards) || (ready && !video.paused);
    },
    get info() {
      return info;
    },
    /** Take another clip, or none, and stand on a frame of it. */
    load(bytes, about, frame) {
      clearInterval(backwards);
      backwards = 0;
      ready = seeking = failed = false;
      shown = -1;
      picture?.close();
      picture = null;
      video.pause();
      info = about?.frames ? about : { frames: 0, fps: 24 };
      wanted = inside(frame);
      const source = url.of(bytes);
      url_given = Boolean(source);
      if (source) video.src = source;
      else video.removeAttribute("src");
      video.load();
    },
    go(frame) {
      stop();
      go(frame);
    },
    step(by) {
      stop();
      go(wanted + by);
    },
    stop,
    play(loop) {
      if (!ready) return;
      clearInterval(backwards);
      backwards = 0;
      video.loop = loop;
      // Again while it plays: faster, as on an editing desk.
      video.playbackRate = video.paused ? 1 : Math.min(4, video.playbackRate * 2);
      if (!video.paused) return;
      if (!loop && shown === info.frames - 1) video.currentTime = 0;
      video.play().catch(onState);
    },
    /** No browser plays backwards: seek, frame by frame, as fast as it goes. */
    playBackwards(loop) {
      if (!ready) return;
      stop();
      backwards = setInterval(() => {
        if (seeking) return;
        if (shown === 0 && !loop) return stop();
        go(shown <= 0 ? info.frames - 1 : shown - 1);
      }, 1000 / info.fps);
      onState();
    },
    set loop(value) {
      video.loop = value;
    },
    release() {
      clearInterval(backwards);
      clearTimeout(waiting);
      video.cancelVideoFrameCallback(ask);
      picture?.close();
      picture = null;
      for (const [name, call] of Object.entries(on)) video.removeEventListener(name, call);
      video.pause();
      video.removeAttribute("src");
      video.load();
      url.release();
    },
  };
}

/** Two stills, decoded; the old ones stay until the new ones are there. The second may follow. */
function fkStills(onShown) {
  let turn = 0;
  let pair = null;
  let about = null;
  const drop = () => pair?.forEach((bitmap) => bitmap.close());
  return {
    get pair() {
      return pair;
    },
    get about() {
      return about;
    },
    async load(before, after, said, type) {
      const mine = ++turn;
      if (!before?.byteLength) {
        drop();
        pair = about = null;
        return onShown();
      }
      const both = [before, after?.byteLength ? after : before].map((data) => createImageBitmap(new Blob([data], { type })));
      const bitmaps = await Promise.all(both);
      if (mine !== turn) return bitmaps.forEach((bitmap) => bitmap.close());
      drop();
      [pair, about] = [bitmaps, said];
      return onShown();
    },
    release() {
      turn = -1;
      drop();
      pair = about = null;
    },
  };
}
