// @ts-check
/**
 * Answers and notices come by different ways: an answer may be older than a notice that was heard before it. Whoever
 * takes answers for the state of something hears what came meanwhile once more, after them.
 */

export class Since {
  constructor() {
    /** What was heard since each question that waits for its answer. @type {Set<any[]>} */
    this.waiting = new Set();
  }

  /** @param {any} notice */
  hear(notice) {
    for (const one of this.waiting) one.push(notice);
  }

  /**
   * Take an answer to what is asked now, and then what came meanwhile. Gives the answer.
   * @template T @param {Promise<T>} question @param {(answer: T) => void} take @param {(notice: any) => void} again
   */
  async learn(question, take, again) {
    /** @type {any[]} */
    const heard = [];
    this.waiting.add(heard);
    try {
      take(await question);
    } finally {
      this.waiting.delete(heard);
    }
    heard.forEach(again);
    return question;
  }
}
