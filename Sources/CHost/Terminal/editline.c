#include "CEditLine.h"

#include <dlfcn.h>
#include <string.h>

const editline_library *editline_find(void *handle) {
  static editline_library found;
  struct {
    const char *name;
    void *place;
  } wanted[] = {
      {"el_init", &found.initialize},
      {"el_gets", &found.get},
      {"el_line", &found.text},
      {"el_insertstr", &found.insert},
      {"el_resize", &found.resize},
      {"el_source", &found.source},
      {"history_init", &found.initialize_history},
      {"el_set", &found.set},
      {"history", &found.history},
  };
  for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
    void *address = dlsym(handle, wanted[i].name);
    if (address == NULL) return NULL;
    memcpy(wanted[i].place, &address, sizeof address);
  }
  return &found;
}

editline *editline_start(const editline_library *library, const char *program) {
  return library->initialize(program, stdin, stdout, stderr);
}

void editline_set_number(const editline_library *library, editline *e, editline_operation operation, int value) {
  library->set(e, operation, value);
}

void editline_set_text(const editline_library *library, editline *e, editline_operation operation, const char *value) {
  library->set(e, operation, value);
}

void editline_set_prompt(const editline_library *library, editline *e, editline_prompt prompt, char invisible) {
  library->set(e, EDITLINE_ESCAPED_PROMPT, prompt, invisible);
}

void editline_set_reader(const editline_library *library, editline *e, editline_reader reader) {
  library->set(e, EDITLINE_READER, reader);
}

void editline_set_history(const editline_library *library, editline *e, edit_history *history) {
  library->set(e, EDITLINE_HISTORY, library->history, history);
}

void editline_refresh(const editline_library *library, editline *e) { library->set(e, EDITLINE_REFRESH); }

void editline_add(const editline_library *library, editline *e, const char *name, const char *help,
                  editline_command command) {
  library->set(e, EDITLINE_ADD_FUNCTION, name, help, command);
}

void editline_bind(const editline_library *library, editline *e, const char *key, const char *command) {
  library->set(e, EDITLINE_BIND, key, command, (char *)NULL);
}

void edit_history_set(const editline_library *library, edit_history *history, int operation, int value) {
  edit_event event;
  library->history(history, &event, operation, value);
}

void edit_history_enter(const editline_library *library, edit_history *history, const char *entry) {
  edit_event event;
  library->history(history, &event, EDIT_HISTORY_ENTER, entry);
}
