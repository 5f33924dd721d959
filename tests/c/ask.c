/* Asks a SavedModel through TensorFlow's C API: no Python in the process.

   ask FOLDER < question

   A question is lines: for each input "input OPERATION INDEX TYPE RANK SIZES..." and then
   a line for each value, TYPE being float, double or string, whose bytes are written in
   hexadecimal; for each output "output OPERATION INDEX". The values of each output are
   printed, one on a line, text as it is. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensorflow/c/c_api.h"
#include "tensorflow/c/tf_tstring.h"

#define MOST 64

static TF_Status *status;

static void check(const char *what) {
  if (TF_GetCode(status) == TF_OK) return;
  fprintf(stderr, "%s: %s\n", what, TF_Message(status));
  exit(1);
}

/* A line without its end; NULL where there are no more. */
static char *read_line(void) {
  static char *line;
  static size_t room;
  ssize_t size = getline(&line, &room, stdin);
  if (size < 0) return NULL;
  if (size > 0 && line[size - 1] == '\n') line[size - 1] = 0;
  return line;
}

static TF_Output find(TF_Graph *graph, const char *name, int index) {
  TF_Output found = {TF_GraphOperationByName(graph, name), index};
  if (found.oper == NULL) {
    fprintf(stderr, "no operation %s\n", name);
    exit(1);
  }
  return found;
}

static size_t from_hexadecimal(const char *text, char *bytes) {
  size_t size = strlen(text) / 2;
  for (size_t i = 0; i < size; i++) {
    unsigned byte;
    sscanf(text + 2 * i, "%2x", &byte);
    bytes[i] = (char)byte;
  }
  return size;
}

static TF_Tensor *read_tensor(const char *type, const int64_t *sizes, int rank) {
  int64_t values = 1;
  for (int i = 0; i < rank; i++) values *= sizes[i];
  TF_DataType dtype = strcmp(type, "double") == 0  ? TF_DOUBLE
                      : strcmp(type, "float") == 0 ? TF_FLOAT
                                                   : TF_STRING;
  size_t size = dtype == TF_STRING ? sizeof(TF_TString) : TF_DataTypeSize(dtype);
  TF_Tensor *tensor = TF_AllocateTensor(dtype, sizes, rank, values * size);
  void *data = TF_TensorData(tensor);
  static char bytes[1 << 16];
  for (int64_t i = 0; i < values; i++) {
    const char *line = read_line();
    if (dtype == TF_DOUBLE) ((double *)data)[i] = strtod(line, NULL);
    if (dtype == TF_FLOAT) ((float *)data)[i] = strtof(line, NULL);
    if (dtype == TF_STRING) {
      size_t length = from_hexadecimal(line, bytes);
      TF_StringInit((TF_TString *)data + i);
      TF_StringCopy((TF_TString *)data + i, bytes, length);
    }
  }
  return tensor;
}

static void print_tensor(const TF_Tensor *tensor) {
  const void *data = TF_TensorData(tensor);
  int64_t values = TF_TensorElementCount(tensor);
  for (int64_t i = 0; i < values; i++) {
    switch (TF_TensorType(tensor)) {
      case TF_FLOAT:
        printf("%.9g\n", ((const float *)data)[i]);
        break;
      case TF_INT64:
        printf("%lld\n", (long long)((const int64_t *)data)[i]);
        break;
      case TF_STRING: {
        const TF_TString *text = (const TF_TString *)data + i;
        fwrite(TF_StringGetDataPointer(text), 1, TF_StringGetSize(text), stdout);
        putchar('\n');
        break;
      }
      default:
        fprintf(stderr, "an output is of type %d\n", TF_TensorType(tensor));
        exit(1);
    }
  }
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  status = TF_NewStatus();
  TF_Graph *graph = TF_NewGraph();
  TF_SessionOptions *options = TF_NewSessionOptions();
  const char *tags[] = {"serve"};
  TF_Session *session = TF_LoadSessionFromSavedModel(options, NULL, argv[1], tags, 1, graph,
                                                     NULL, status);
  check("load");

  TF_Output inputs[MOST], outputs[MOST];
  TF_Tensor *given[MOST], *answers[MOST];
  int n_inputs = 0, n_outputs = 0;
  char *line;
  while ((line = read_line()) != NULL) {
    char name[256], type[16];
    int index, rank, at;
    if (sscanf(line, "input %255s %d %15s %d%n", name, &index, type, &rank, &at) == 4) {
      int64_t sizes[8];
      char *rest = line + at;
      for (int i = 0; i < rank && i < 8; i++) sizes[i] = strtoll(rest, &rest, 10);
      inputs[n_inputs] = find(graph, name, index);
      given[n_inputs++] = read_tensor(type, sizes, rank);
    } else if (sscanf(line, "output %255s %d", name, &index) == 2) {
      outputs[n_outputs++] = find(graph, name, index);
    }
  }
  TF_SessionRun(session, NULL, inputs, given, n_inputs, outputs, answers, n_outputs, NULL, 0,
                NULL, status);
  check("run");
  for (int i = 0; i < n_outputs; i++) print_tensor(answers[i]);
  return 0;
}
