/** Signalbox cannot start, and the operator can fix it: the message says what is wrong and what to do. */
export class StartError extends Error {
  override name = 'StartError'
}
