/** Prepares texts of upstreams for display and storage: one line, without secrets. */

/** White space, line breaks and control characters become one blank: PostgreSQL refuses U+0000, and a terminal obeys the others. */
export function oneLine(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\s\u0000-\u001f\u007f-\u009f]+/g, ' ').trim()
}

/** Shapes of keys that vendors quote, or that a proxy prints. */
const keyShape =
  /\b(?:sk|pk|rk|gsk|xai|sbx|hf|nvapi|AIza|csk|fw|pplx|key)[-_][\w*.…-]{6,}|\bAIza[\w-]{20,}|\bBearer\s+\S+/gi

/** The text with `***` in place of these secrets and of everything that looks like a key. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  let clean = text
  for (const secret of secrets) if (secret.length >= 4) clean = clean.replaceAll(secret, '***')
  return clean.replace(keyShape, '***')
}
