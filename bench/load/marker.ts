/** Which model server answered, by the label that the gateway gives its backend; empty if it does not say. */
export function backendOf(head: string): string {
  return /\r\nx-signalbox-backend: ([^\r]*)/i.exec(head)?.[1] ?? ''
}
