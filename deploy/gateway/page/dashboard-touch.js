/**
 * Zoom a chart by dragging a finger sideways; uPlot listens to the mouse alone.
 *
 * The browser scrolls the page when the finger moves up or down (`touch-action` in dashboard.css), and then cancels the pointer.
 */

const LEAST_PX = 10;

/**
 * Select the range that a finger drags over.
 * @param {object} plot of uPlot, whose hook setSelect takes the range
 */
export function startTouchZoom(plot) {
  const { over } = plot;
  let from = null;
  const place = (event) => Math.min(Math.max(event.clientX - over.getBoundingClientRect().left, 0), over.clientWidth);
  const select = (left, right, isFinal) =>
    plot.setSelect({ left: Math.min(left, right), width: Math.abs(right - left), top: 0, height: over.clientHeight }, isFinal);

  over.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "touch") return;
    // A second finger pinches.
    if (from !== null || !event.isPrimary) cancel();
    else from = place(event);
  });
  over.addEventListener("pointermove", (event) => {
    if (from === null || event.pointerType !== "touch") return;
    const to = place(event);
    plot.setCursor({ left: to, top: 0 });
    select(from, Math.abs(to - from) < LEAST_PX ? from : to, false);
  });
  over.addEventListener("pointerup", (event) => {
    if (from === null || event.pointerType !== "touch") return;
    const [left, right] = [from, place(event)];
    if (Math.abs(right - left) < LEAST_PX) cancel();
    else select(left, right, true);
    from = null;
  });
  over.addEventListener("pointercancel", cancel);

  function cancel() {
    if (from !== null) select(from, from, false);
    from = null;
  }
}
