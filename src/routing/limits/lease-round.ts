/** What a bucket tells and asks at a turn. */
export interface LeaseRound<Ask, Answer> {
  readonly ask: Ask
  /** `askedAtMs`: when the question was sent. */
  readonly answer: (answer: Answer, askedAtMs: number) => void
  /** Nobody knows whether the database has heard the question. */
  readonly unanswered: (askedAtMs: number) => void
}

/** A bucket, as the turns at the database see it. */
export interface LeaseHolder<Ask, Answer> {
  /** Whether it has something to tell or to give back. */
  wantsRound(nowMs: number): boolean
  isForgettable(nowMs: number): boolean
  /** `gateways`: how many share it. */
  turn(gateways: number, nowMs: number): readonly LeaseRound<Ask, Answer>[]
  /** The database is away: this gateway goes on by its share. */
  goOn(gateways: number, nowMs: number): void
  /** The database is back. */
  comeBack(nowMs: number): void
}
