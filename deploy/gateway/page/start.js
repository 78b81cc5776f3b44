// Runs before the first paint, so that neither theme nor language changes before the reader's eyes.
(() => {
  const stored = (key) => {
    try {
      return localStorage.getItem(key);
    } catch {
      return null; // storage may be forbidden
    }
  };
  const root = document.documentElement;
  const asked = new URLSearchParams(location.search).get("lang");
  const wishes = [asked, stored("lang"), ...(navigator.languages ?? []), "en"];
  const language = wishes.map((wish) => String(wish).slice(0, 2).toLowerCase()).find((wish) => /^(zh|en)$/.test(wish));
  const theme = stored("theme");
  root.lang = language === "zh" ? "zh-CN" : "en";
  root.dataset.theme = /^(light|dark)$/.test(theme) ? theme : "auto";
})();
