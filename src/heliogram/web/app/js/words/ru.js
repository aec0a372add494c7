// @ts-check
/** Русский. Ключи — в en.js. */

import errors from "./ru/errors.js";
import chat from "./ru/chat.js";
import compose from "./ru/compose.js";
import groups from "./ru/groups.js";
import lines from "./ru/lines.js";
import list from "./ru/list.js";
import people from "./ru/people.js";
import settings from "./ru/settings.js";
import start from "./ru/start.js";

export default {
  ...start,
  ...list,
  ...lines,
  ...chat,
  ...compose,
  ...people,
  ...groups,
  ...settings,
  ...errors,

  starting: "Запуск",
  close: "Закрыть",
  cancel: "Отмена",
  dismiss: "Убрать",
  back: "Назад",
  today: "Сегодня",
  yesterday: "Вчера",
  bytes: "байт",
  kB: "КБ",
  MB: "МБ",
  GB: "ГБ",
  TB: "ТБ",

  // Начало
  welcome: "Добро пожаловать в Heliogram",
  "your name": "Ваше имя",
  passphrase: "Парольная фраза",
  "create account": "Создать аккаунт",
  "closed title": "Страница закрыта",
  "closed text": "Её ссылка уже использована, или Heliogram остановлен. Запустите его снова, и откроется новая страница:",
  "unlock title": "Закрыто",
  unlock: "Открыть",
  unlocking: "Открываю…",

  // Чаты
  chats: "Чаты",
  "choose a chat": "Выберите чат",
  message: "Сообщение",
  send: "Отправить",
};
