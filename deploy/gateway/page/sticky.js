/** Keep questions in sight beside answers that are longer than the window. */

/** Tell the style sheet heights: of questions, below which the examples are, and of the text box, below which the focus stays. */
export function startSticky() {
  const observer = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const isQuestion = target.matches(".question");
      const element = isQuestion ? target.closest(".panel") : document.documentElement;
      element.style.setProperty(isQuestion ? "--question" : "--editor", `${target.offsetHeight}px`);
    }
  });
  document.querySelectorAll(".question, .editor").forEach((element) => observer.observe(element));
}
