/** The report and request of a bucket in one lease round. */
export interface LeaseRound<Ask, Answer> {
  readonly ask: Ask
  /** `askedAtMs`: when the question was sent. */
  readonly answer: (answer: Answer, askedAtMs: number) => void
  /** Called if it is unknown whether the database got the request. */
  readonly unanswered: (askedAtMs: number) => void
}

/** A bucket, as the lease rounds use it. */
export interface LeaseHolder<Ask, Answer> {
  /** Whether it has something to report or to return. */
  wantsRound(nowMs: number): boolean
  isForgettable(nowMs: number): boolean
  /** `gateways`: how many share it. */
  turn(gateways: number, nowMs: number): readonly LeaseRound<Ask, Answer>[]
  /** The database is unreachable: this gateway continues with its share. */
  goOn(gateways: number, nowMs: number): void
  /** The database is back. */
  comeBack(nowMs: number): void
}
