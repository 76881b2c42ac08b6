// What the scripts share, in node and in browsers: checks that are told one by
// one, and waiting that ends.
export const patience = 20_000;

// checker returns a function that does a check and says that it passed. The
// first that fails ends the script.
export const checker = (client, say = console.log) => async (what, does) => {
  try {
    await does();
  } catch (e) {
    throw new Error(`${client}: ${what}`, { cause: e });
  }
  say(`ok ${client}: ${what}`);
};

export function equal(got, want, what = "") {
  if (got !== want) throw new Error(`${what} is ${show(got)}, want ${show(want)}`);
}

export function matches(got, want, what = "") {
  if (!want.test(got)) throw new Error(`${what} is ${show(got)}, which does not match ${want}`);
}

const show = (v) => {
  const text = JSON.stringify(v) ?? String(v);
  return text.length > 300 ? `${text.slice(0, 300)}... (${text.length})` : text;
};

// soon returns what a promise becomes, if that is not too late.
export const soon = (promise, what) => {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing came: ${what}`)), patience);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};

// once returns the first value with which a callback is called.
export const once = (register) => soon(new Promise(register), register);

// until waits for a condition of what a script has seen so far.
export async function until(condition) {
  for (const end = Date.now() + patience; !condition();) {
    if (Date.now() > end) throw new Error(`it never holds: ${condition}`);
    await new Promise((done) => setTimeout(done, 5));
  }
}

// hard is text that suffers where somebody escapes too little or too much. NUL
// is not in it, for the older clients end a frame there.
export const hard = `Grüße, 水車 🌊 100% %41 %25 "\\n" \\ \\c {"a":[1]} \r\n\t\u0001\u001f\u007f\u0085\u200b\u2028\u2029\ufeff`;

// big is 30 KiB of text, more than clients put into one WebSocket message.
export const big = "the mill wheel \r\n".repeat(30 * 64) + "ü";
