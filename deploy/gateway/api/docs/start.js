/** Show the OpenAPI document by Swagger UI, in the theme and language of the page's header. */

import { startHeader } from "../page/header.js";
import { CHANGED, language, translate } from "../page/language.js";
import { localized, pageWord, translateLabels } from "./words.js";

const container = document.getElementById("swagger-ui");
const root = document.documentElement;
const isSystemDark = matchMedia("(prefers-color-scheme: dark)");
let openApi = null;

/** Swagger UI is dark below this class, and the header's theme may be the system's. */
function showTheme() {
  const { theme } = root.dataset;
  root.classList.toggle("dark-mode", theme === "dark" || (theme !== "light" && isSystemDark.matches));
}

function showWords() {
  document.title = pageWord("title");
  for (const element of document.querySelectorAll("[data-api-word]")) element.textContent = pageWord(element.dataset.apiWord);
}

function showOperations() {
  if (openApi === null) return;
  container.replaceChildren();
  // Swagger UI keeps and changes the object that it is given.
  const spec = localized(structuredClone(openApi), language());
  SwaggerUIBundle({ spec, domNode: container, deepLinking: true, validatorUrl: null, docExpansion: "list", defaultModelsExpandDepth: 0 });
}

translate();
showWords();
showTheme();
startHeader();
isSystemDark.addEventListener("change", showTheme);
new MutationObserver(showTheme).observe(root, { attributeFilter: ["data-theme"] });
document.addEventListener(CHANGED, () => {
  showWords();
  showOperations();
});
translateLabels(container);

openApi = await (await fetch(new URL("../openapi.json", import.meta.url))).json();
showOperations();
