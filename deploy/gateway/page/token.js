/** The characters of a token. */

/**
 * Return a candidate's characters. A piece of a longer word is written ##….
 * @param {{token_str: string} | undefined} candidate
 */
export function word(candidate) {
  return candidate?.token_str.replace(/^##/, "") ?? "";
}
